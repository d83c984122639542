using System.Runtime.Intrinsics;
using Infinorm.Kernels;

namespace Infinorm.Tests.Kernels;

public class LaneWidthTests
{
    /// <summary>eng/test-widths switches wider instructions off and says here what must be left.</summary>
    [Fact]
    public void IsTheExpectedOne()
    {
        int widest = Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 0;
        string expected = Environment.GetEnvironmentVariable("INFINORM_EXPECT_LANES") ?? $"{widest}";
        Assert.Equal(expected, $"{LaneWidth.Bits}");
    }
}
