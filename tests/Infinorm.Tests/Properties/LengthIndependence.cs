using Infinorm.Rules;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Properties;

/// <summary>
/// An element is stepped the same wherever it lies: in a long variable or a short one, at any place of its memory, in a whole lane, in a
/// tail, or behind a block.
/// </summary>
public sealed class LengthIndependence
{
    const int Total = 1200;
    const int Longest = 600;
    const int Steps = 4;

    /// <summary>The variable's elements, and then those of the gradient of each step.</summary>
    static readonly double[][] Numbers =
    [
        .. Enumerable.Range(0, Steps + 1).Select(step =>
            Enumerable.Range(0, Total).Select(i => Math.Sin((i * 12.9898) + (step * 78.233)) * 3).ToArray()),
    ];

    static readonly Dictionary<string, Settings> AllSettings = new()
    {
        ["bare"] = new Settings(),
        ["weight decay"] = new Settings(WeightDecay: 0.1),
        ["clip value"] = new Settings(Clip: Clip.Value),
        ["averages"] = new Settings(UseEma: true, EmaOverwriteFrequency: 2),
        ["accumulation"] = new Settings(GradientAccumulationSteps: 2),
        ["all"] = Settings.AllElementwise,
        ["master weights"] = new Settings(Narrow: Narrow.MasterWeights),
        ["all with master weights"] = Settings.AllElementwise with { Narrow = Narrow.MasterWeights },
        ["dynamic scale"] = Settings.AllElementwise with { HasDynamicScale = true },
    };

    public static TheoryData<string, DType, DType> Cases
    {
        get
        {
            var cases = new TheoryData<string, DType, DType>();
            foreach (string settings in AllSettings.Keys)
            {
                foreach (DType type in new[] { DType.Float16, DType.BFloat16, DType.Float32, DType.Float64 })
                    cases.Add(settings, type, type);
                cases.Add(settings, DType.Float32, DType.Float64);
                cases.Add(settings, DType.Float64, DType.BFloat16);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void EveryLengthAndPlaceGivesTheSameBits(string name, DType variable, DType gradient)
    {
        Settings settings = AllSettings[name];
        switch (variable, gradient)
        {
            case (DType.Float16, _): Compare<Half, Half>(settings, x => (Half)x, x => (Half)x); break;
            case (DType.BFloat16, _): Compare<BFloat16, BFloat16>(settings, x => (BFloat16)(float)x, x => (BFloat16)(float)x); break;
            case (DType.Float32, DType.Float32): Compare<float, float>(settings, x => (float)x, x => (float)x); break;
            case (DType.Float32, _): Compare<float, double>(settings, x => (float)x, x => x); break;
            case (_, DType.Float64): Compare<double, double>(settings, x => x, x => x); break;
            default: Compare<double, BFloat16>(settings, x => x, x => (BFloat16)(float)x); break;
        }
    }

    /// <summary>Every optimizer whose formula is of one element.</summary>
    public static MatrixTheoryData<string, DType> Variants =>
        new(Registered.Variants.Where(variant => Registered.Create(variant) is not IBlockRule), [DType.Float16, DType.Float32, DType.Float64]);

    [Theory]
    [MemberData(nameof(Variants))]
    public void EveryOptimizerGivesTheSameBits(string variant, DType type)
    {
        Settings settings = Settings.AllElementwise with { Narrow = Narrow.MasterWeights, Variant = variant };
        switch (type)
        {
            case DType.Float16: Compare<Half, Half>(settings, x => (Half)x, x => (Half)x, every: 13); break;
            case DType.Float32: Compare<float, float>(settings, x => (float)x, x => (float)x, every: 13); break;
            default: Compare<double, double>(settings, x => x, x => x, every: 13); break;
        }
    }

    /// <summary>Norms run over the whole variable, but not over where it lies.</summary>
    [Theory]
    [InlineData(Clip.Norm)]
    [InlineData(Clip.GlobalNorm)]
    public void ANormDoesNotDependOnThePlace(Clip clip)
    {
        var settings = new Settings(Clip: clip);
        for (int length = 1; length <= Longest; length += 7)
        {
            string[] straight = Run(settings, 0, length, x => (float)x, x => (float)x, start: 0);
            string[] moved = Run(settings, 0, length, x => (float)x, x => (float)x, start: 1 + (length % 15));
            Assert.Equal(straight, moved);
        }
    }

    static void Compare<T, TGradient>(Settings settings, Func<double, T> round, Func<double, TGradient> roundGradient, int every = 1)
        where T : unmanaged
        where TGradient : unmanaged
    {
        string[] whole = Run(settings, 0, Total, round, roundGradient, start: 0);
        for (int length = 0; length <= Longest; length += every)
        {
            int first = length * 7 % (Total - Longest);
            string[] part = Run(settings, first, length, round, roundGradient, start: 1 + (length % 19));
            Assert.Equal(whole.Select(bytes => Slice(bytes, first, length)), part);
        }
    }

    static string Slice(string bytes, int first, int length)
    {
        int size = bytes.Length / Total;
        return bytes[(first * size)..((first + length) * size)];
    }

    /// <summary>
    /// Trains <paramref name="length"/> elements from <paramref name="first"/> on, which lie in an array from <paramref name="start"/> on;
    /// what lies around them must not change. Returns the bytes, in hexadecimal, of the variable and of each of its slots.
    /// </summary>
    static string[] Run<T, TGradient>(
        Settings settings, int first, int length, Func<double, T> round, Func<double, TGradient> roundGradient, int start)
        where T : unmanaged
        where TGradient : unmanaged
    {
        T guard = round(7);
        T[] memory = [.. Enumerable.Repeat(guard, start), .. Values(0, first, length, round), .. Enumerable.Repeat(guard, 33)];
        Optimizer optimizer = settings.Create();
        optimizer.Build(new Variable<T>("w", memory.AsMemory(start, length)));
        for (int step = 1; step <= Steps; step++)
        {
            TGradient[] gradient = [.. Enumerable.Repeat(roundGradient(7), start + 1), .. Values(step, first, length, roundGradient)];
            optimizer.Apply(Gradient.Of<TGradient>(gradient.AsMemory(start + 1)));
        }

        Assert.True(memory[..start].Concat(memory[(start + length)..]).All(value => value.Equals(guard)));
        IEnumerable<Variable> slots = optimizer.Variables.Where(variable => variable.Path.Contains("/w_"));
        return [.. optimizer.TrainableVariables.Concat(slots).Select(variable => Convert.ToHexString(variable.ToNdArray().Bytes))];
    }

    static T[] Values<T>(int step, int first, int length, Func<double, T> round) =>
        Array.ConvertAll(Numbers[step][first..(first + length)], value => round(value));
}
