using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Properties;

/// <summary>The same bits for any number of threads.</summary>
public sealed class Threads
{
    static readonly int[] Lengths = [200_000, 3, 70_001, 32_768, 0, 1];
    static readonly int[] ShortLengths = [40_000, 3, 16_385, 0];

    public static TheoryData<string> Variants => [.. Registered.Variants];

    [Theory]
    [InlineData(Clip.None, Narrow.Nearest)]
    [InlineData(Clip.Norm, Narrow.MasterWeights)]
    [InlineData(Clip.GlobalNorm, Narrow.StochasticRounding)]
    public void TheNumberOfThreadsChangesNothing(Clip clip, Narrow narrow)
    {
        Settings settings = Settings.AllElementwise with { Clip = clip, Narrow = narrow };
        string[] alone = Train(settings, threads: 1);
        Assert.Equal(alone, Train(settings, threads: 2));
        Assert.Equal(alone, Train(settings, threads: 5));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void NorDoesItOfAnyOptimizer(string variant)
    {
        var settings = new Settings(
            UseEma: true, Clip: Clip.GlobalNorm, WeightDecay: 0.1, Narrow: Narrow.StochasticRounding, Variant: variant);
        string[] alone = Train(settings, threads: 1, ShortLengths);
        Assert.Equal(alone, Train(settings, threads: 3, ShortLengths));
    }

    static string[] Train(Settings settings, int threads, int[]? lengths = null)
    {
        lengths ??= Lengths;
        Optimizer optimizer = settings.Create(threads);
        Variable[] variables =
        [
            .. lengths.Select((length, i) => new Variable<float>($"float/{i}", Values(length, 0, value => (float)value))),
            .. lengths.Select((length, i) => new Variable<double>($"double/{i}", Values(length, 0, value => value))),
            .. lengths.Select((length, i) => new Variable<BFloat16>($"brain/{i}", Values(length, 0, value => (BFloat16)(float)value))),
        ];
        optimizer.Build(variables);
        for (int step = 1; step <= 4; step++)
        {
            optimizer.Apply(
            [
                .. lengths.Select(length => (Gradient)Values(length, step, value => (float)value)),
                .. lengths.Select(length => (Gradient)Values(length, step, value => value)),
                .. lengths.Select(length => (Gradient)Values(length, step, value => (float)value)),
            ]);
        }

        return [.. variables.Concat(optimizer.Variables).Select(variable => Convert.ToHexString(variable.ToNdArray().Bytes))];
    }

    static T[] Values<T>(int length, int step, Func<double, T> round) =>
        [.. Enumerable.Range(0, length).Select(i => round(Math.Sin((i * 12.9898) + (step * 78.233))))];
}
