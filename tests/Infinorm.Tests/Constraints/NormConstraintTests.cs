using System.Numerics;
using CsCheck;
using Infinorm.Constraints;

namespace Infinorm.Tests.Constraints;

public class NormConstraintTests
{
    /// <summary>Every constraint beside its formula, in the arithmetic of T and in the order in which Keras rounds.</summary>
    static (NormConstraint Constraint, Func<float, float, float> Float, Func<double, double, double> Double)[] All(int[] axis) =>
    [
        (new MaxNorm(1.5, axis),
            (w, n) => w * (Math.Clamp(n, 0, 1.5f) / (1e-7f + n)),
            (w, n) => w * (Math.Clamp(n, 0, 1.5) / (1e-7 + n))),
        (new UnitNorm(axis), (w, n) => w / (1e-7f + n), (w, n) => w / (1e-7 + n)),
        (new MinMaxNorm(0.5, 1.1, 0.3, axis),
            (w, n) => w * ((0.3f * Math.Clamp(n, 0.5f, 1.1f) + 0.7f * n) / (1e-7f + n)),
            (w, n) => w * ((0.3 * Math.Clamp(n, 0.5, 1.1) + (1 - 0.3) * n) / (1e-7 + n))),
    ];

    [Fact]
    public void ScalesByTheNormsOverAnyAxes()
    {
        int[][] axesOfThree = [[0], [1], [2], [-1], [-3], [0, 1], [2, 0], [1, -1], [0, 1, 2]];
        Gen.Select(Gen.Int[1, 5], Gen.Int[1, 5], Gen.Int[1, 5], Gen.Int[0, axesOfThree.Length - 1], Gen.Double[-3, 3].Array[125]).Sample(
            (a, b, c, axes, random) =>
            {
                int[] axis = axesOfThree[axes];
                nint[] shape = [a, b, c];
                double[] doubles = random[..(a * b * c)];
                float[] floats = [.. doubles.Select(x => (float)x)];
                foreach (var (constraint, ofFloat, ofDouble) in All(axis))
                {
                    double[] doubleResult = [.. doubles];
                    constraint.Apply<double>(doubleResult, shape);
                    Assert.Equal(doubles.Zip(Norms(doubles, shape, axis), ofDouble), doubleResult);

                    float[] floatResult = [.. floats];
                    constraint.Apply<float>(floatResult, shape);
                    Assert.Equal(floats.Zip(Norms(floats, shape, axis), ofFloat), floatResult);
                }
            },
            iter: 500);
    }

    [Fact]
    public void SumsOverTheFirstAxisByDefault()
    {
        float[] values = [3, 0, 4, 1];
        new UnitNorm().Apply<float>(values, [2, 2]);
        Assert.Equal([3 / (1e-7f + 5), 0, 4 / (1e-7f + 5), 1 / (1e-7f + 1)], values);

        values = [3, 0, 4, 2];
        new MaxNorm().Apply<float>(values, [2, 2]);
        Assert.Equal([3 * (2 / (1e-7f + 5)), 0, 4 * (2 / (1e-7f + 5)), 2 * (2 / (1e-7f + 2))], values);

        values = [3, 0, 4, 2];
        new MinMaxNorm().Apply<float>(values, [2, 2]);
        Assert.Equal([3 * (1 / (1e-7f + 5)), 0, 4 * (1 / (1e-7f + 5)), 2 * (1 / (1e-7f + 2))], values);
    }

    [Fact]
    public void KeepsItsOwnCopyOfTheAxes()
    {
        int[] axis = [1];
        var constraint = new UnitNorm(axis);
        axis[0] = 7;
        constraint.Validate("w", [2, 2]);
    }

    [Fact]
    public void RoundsEachSquareAndSumsInDouble()
    {
        // 2^24 and a thousand ones: a float sum would stay at 2^24.
        float[] values = [4096, .. Enumerable.Repeat(1f, 1000)];
        new UnitNorm().Apply<float>(values, [1001]);
        Assert.Equal(4096 / (1e-7f + MathF.Sqrt(16777216 + 1000)), values[0]);

        // The square of 1 + 2^-12 is rounded to float before it is added, without its 2^-24.
        values = [1 + 1f / 4096, 1e-5f];
        float square = 1 + 2f / 4096;
        new UnitNorm().Apply<float>(values, [2]);
        Assert.Equal((1 + 1f / 4096) / (1e-7f + MathF.Sqrt((float)(square + (double)(1e-5f * 1e-5f)))), values[0]);
    }

    [Fact]
    public void LeavesZerosAndSpreadsNaN()
    {
        foreach (var (constraint, _, _) in All([0]))
        {
            float[] values = [0, 1, 0, float.NaN];
            constraint.Apply<float>(values, [2, 2]);
            Assert.Equal([0, float.NaN, 0, float.NaN], values);
        }
    }

    [Fact]
    public void TakesAnEmptyVariable() => new MaxNorm().Apply<float>([], [3, 0]);

    [Theory]
    [InlineData(new[] { 2 }, "dense/kernel: MaxNorm sums over axis 2, which the shape [3, 4] does not have.")]
    [InlineData(new[] { 0, -3 }, "dense/kernel: MaxNorm sums over axis -3, which the shape [3, 4] does not have.")]
    [InlineData(new[] { 1, -1 }, "dense/kernel: MaxNorm names axis -1 of the shape [3, 4] twice.")]
    public void RefusesAxesThatDoNotFit(int[] axis, string message)
    {
        var constraint = new MaxNorm(2, axis);
        Assert.Equal(message, Assert.Throws<ArgumentException>(() => constraint.Validate("dense/kernel", [3, 4])).Message);
        Assert.Throws<ArgumentException>(() => constraint.Apply<float>(new float[12], [3, 4]));
    }

    [Fact]
    public void RefusesAScalar()
    {
        var error = Assert.Throws<ArgumentException>(() => new UnitNorm().Validate("scale", []));
        Assert.Equal("scale: UnitNorm sums over axis 0, which the shape [] does not have.", error.Message);
    }

    [Fact]
    public void RefusesNumbersThatAreNotFinite()
    {
        Assert.Equal("maxValue", Assert.Throws<ArgumentOutOfRangeException>(() => new MaxNorm(double.NaN)).ParamName);
        Assert.Equal("minValue", Assert.Throws<ArgumentOutOfRangeException>(() => new MinMaxNorm(double.NegativeInfinity)).ParamName);
        Assert.Equal("maxValue", Assert.Throws<ArgumentOutOfRangeException>(() => new MinMaxNorm(0, double.NaN)).ParamName);
        Assert.Equal("rate", Assert.Throws<ArgumentOutOfRangeException>(() => new MinMaxNorm(0, 1, double.NaN)).ParamName);
        Assert.Equal("axis", Assert.Throws<ArgumentNullException>(() => new MaxNorm(1, null!)).ParamName);
    }

    [Fact]
    public void AllocatesNothingAfterTheFirstCall()
    {
        float[] values = new float[6 * 7];
        NormConstraint[] constraints = [.. All([1]).Select(each => each.Constraint)];
        Apply();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Apply();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Apply()
        {
            foreach (var constraint in constraints)
                constraint.Apply<float>(values, [6, 7]);
        }
    }

    /// <summary>For each element the norm it belongs to: squares in T, added in double in C order, rounded, root in T.</summary>
    static IEnumerable<T> Norms<T>(T[] values, nint[] shape, int[] axis)
        where T : IFloatingPointIeee754<T>
    {
        var sums = new Dictionary<(nint, nint, nint), double>();
        for (int i = 0; i < values.Length; i++)
            sums[Place(i)] = sums.GetValueOrDefault(Place(i)) + double.CreateChecked(values[i] * values[i]);
        return values.Select((_, i) => T.Sqrt(T.CreateChecked(sums[Place(i)])));

        (nint, nint, nint) Place(nint i)
        {
            nint[] place = [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
            foreach (int a in axis)
                place[a < 0 ? a + 3 : a] = 0;
            return (place[0], place[1], place[2]);
        }
    }
}
