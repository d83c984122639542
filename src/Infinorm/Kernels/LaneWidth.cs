using System.Runtime.Intrinsics;

namespace Infinorm.Kernels;

/// <summary>The widest lanes this machine executes in hardware.</summary>
static class LaneWidth
{
    /// <summary>512, 256, 128, or 0 where there are no vector instructions and lanes hold one element.</summary>
    public static int Bits =>
        Vector512.IsHardwareAccelerated ? 512
        : Vector256.IsHardwareAccelerated ? 256
        : Vector128.IsHardwareAccelerated ? 128
        : 0;
}
