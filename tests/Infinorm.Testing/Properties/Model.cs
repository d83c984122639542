using CsCheck;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Properties;

/// <summary>
/// Variables of a model with their gradients at every step: types and lengths drawn at random, values made from a seed. All but the last are
/// matrices where their lengths allow it.
/// </summary>
sealed record Model(DType[] Types, int[] Lengths, int Seed)
{
    static readonly DType[] AllTypes = [DType.Float16, DType.BFloat16, DType.Float32, DType.Float64];

    public static Gen<Model> Any { get; } = Of(AllTypes);

    /// <summary>Models without double variables.</summary>
    public static Gen<Model> Single { get; } = Of(AllTypes[..3]);

    /// <summary>Models of 16-bit variables.</summary>
    public static Gen<Model> Narrow { get; } = Of(AllTypes[..2]);

    public Variable[] MakeVariables()
    {
        var random = new Random(Seed);
        return
        [
            .. Types.Zip(Lengths, (type, length) => (type, length)).Select((item, i) => Make(
                $"layer/{i}", item.type, item.length, i < Types.Length - 1, random)),
        ];
    }

    /// <summary>The gradients of a step; now and then one is missing, but never all.</summary>
    public Gradient[] MakeGradients(int step)
    {
        var random = new Random((1000 * (step + 1)) + Seed);
        int present = random.Next(Types.Length);
        var gradients = new Gradient[Types.Length];
        for (int i = 0; i < gradients.Length; i++)
        {
            Gradient gradient = MakeGradient(Types[i], Lengths[i], random);
            if (i == present || random.Next(4) > 0)
                gradients[i] = gradient;
        }

        return gradients;
    }

    static Gen<Model> Of(DType[] types) => Gen.Select(
        Gen.OneOf(types).Array[1, 4], Gen.Int[0, 70].Array[4], Gen.Int[0, 1000],
        (type, length, seed) => new Model(type, length[..type.Length], seed));

    static Variable Make(string path, DType type, int length, bool isMatrix, Random random)
    {
        nint[] shape = isMatrix && length % 4 == 0 ? [length / 4, 4] : [length];
        return type switch
        {
            DType.Float16 => new Variable<Half>(path, Values(length, random, value => (Half)value), shape),
            DType.BFloat16 => new Variable<BFloat16>(path, Values(length, random, value => (BFloat16)(float)value), shape),
            DType.Float32 => new Variable<float>(path, Values(length, random, value => (float)value), shape),
            _ => new Variable<double>(path, Values(length, random, value => value), shape),
        };
    }

    static Gradient MakeGradient(DType type, int length, Random random) => type switch
    {
        DType.Float16 => Values(length, random, value => (Half)value),
        DType.BFloat16 => Values(length, random, value => (BFloat16)(float)value),
        DType.Float32 => Values(length, random, value => (float)value),
        _ => Values(length, random, value => value),
    };

    static T[] Values<T>(int length, Random random, Func<double, T> round) =>
        [.. Enumerable.Range(0, length).Select(_ => round((random.NextDouble() * 4) - 2))];
}
