using Infinorm.Optimizers;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Kernels;

/// <summary>What is promised of NaN: where it is, not which of its many bit patterns it has.</summary>
public class NaNTests
{
    // Blocks, several chunks and an end that fills no lane.
    const int Length = (3 * 16 * 1024) + 1037;

    // Quiet and signalling, of both signs, with and without payload.
    static readonly uint[] Patterns = [0x7FC00000, 0xFFC00000, 0x7FC12345, 0xFFD00001, 0x7F800001, 0xFFBFFFFF];

    static readonly Dictionary<int, uint> Poisoned = new[] { 0, 1, 15, 16, 31, 1024, 16 * 1024, (3 * 16 * 1024) - 1, Length - 2, Length - 1 }
        .Select((element, i) => (element, Pattern: Patterns[i % Patterns.Length]))
        .ToDictionary(pair => pair.element, pair => pair.Pattern);

    [Fact]
    public void InAFloatGradientStaysInItsElements() => StaysInItsElements(BitConverter.UInt32BitsToSingle, Convert.ToSingle, float.IsNaN);

    [Fact]
    public void InADoubleGradientStaysInItsElements() =>
        StaysInItsElements(bits => BitConverter.UInt64BitsToDouble(((ulong)(bits | 0x7FF00000) << 32) | 1), x => x, double.IsNaN);

    [Fact]
    public void InAHalfGradientStaysInItsElements() =>
        StaysInItsElements(bits => BitConverter.UInt16BitsToHalf((ushort)((bits >> 16 & 0x8000) | 0x7C00 | (bits & 1) | 0x10)), x => (Half)x, Half.IsNaN);

    [Fact]
    public void InABFloat16GradientStaysInItsElements() =>
        StaysInItsElements(bits => (BFloat16)BitConverter.UInt32BitsToSingle(bits | 0x7F810000), x => (BFloat16)x, BFloat16.IsNaN);

    static void StaysInItsElements<T>(Func<uint, T> ofBits, Func<double, T> ofNumber, Func<T, bool> isNaN)
        where T : unmanaged, IEquatable<T>
    {
        T[] gradient = [.. Enumerable.Range(0, Length).Select(i => ofNumber(Math.Sin(i)))];
        T[] poisoned = [.. gradient.Select((number, i) => Poisoned.TryGetValue(i, out uint bits) ? ofBits(bits) : number)];
        Assert.All(Poisoned.Keys, element => Assert.True(isNaN(poisoned[element])));
        T[] sound = Trained(gradient, ofNumber), trained = Trained(poisoned, ofNumber);
        for (int i = 0; i < Length; i++)
        {
            if (Poisoned.ContainsKey(i))
                Assert.True(isNaN(trained[i]), $"{typeof(T).Name}: element {i} is {trained[i]}");
            else
                Assert.True(trained[i].Equals(sound[i]) && !isNaN(sound[i]), $"{typeof(T).Name}: element {i} is {trained[i]}, without NaN {sound[i]}");
        }
    }

    // The bad gradient comes in the second of three steps. Nothing here looks at more than one element, as a norm would.
    static T[] Trained<T>(T[] second, Func<double, T> ofNumber)
        where T : unmanaged
    {
        T[] weights = [.. Enumerable.Range(0, Length).Select(i => ofNumber(Math.Cos(i)))];
        T[] good = [.. Enumerable.Range(0, Length).Select(i => ofNumber(Math.Cos(3 * i)))];
        var optimizer = new Adamax(0.1) { WeightDecay = 0.01, ClipValue = 0.9, UseEma = true, EmaOverwriteFrequency = 2 };
        var variable = new Variable<T>("w", weights);
        foreach (T[] gradient in (T[][])[good, second, good])
            optimizer.Apply([Gradient.Of<T>(gradient)], [variable]);
        return weights;
    }
}
