using Infinorm.Constraints;

namespace Infinorm.Tests.Constraints;

public class NonNegTests
{
    [Fact]
    public void RaisesWhatIsBelowZero()
    {
        double[] values = [-1, -0.0, 0, 2, double.NegativeInfinity, double.PositiveInfinity, double.NaN];
        new NonNeg().Apply<double>(values, [7]);
        Assert.Equal([0, 0, 0, 2, 0, double.PositiveInfinity, double.NaN], values);
    }

    [Fact]
    public void TakesAScalar()
    {
        float[] value = [-1];
        new NonNeg().Validate("scale", []);
        new NonNeg().Apply<float>(value, []);
        Assert.Equal([0f], value);
    }
}
