using System.Runtime.Intrinsics;
using Infinorm.Rules;

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

    /// <summary>Does something in the widest lanes of float or double: the one place that chooses them.</summary>
    public static void Run<TAction>(bool doubles, ref TAction action)
        where TAction : struct, ILaneAction, allows ref struct
    {
        switch (Bits)
        {
            case 512 when doubles: action.Run<Lane512<double>>(); break;
            case 512: action.Run<Lane512<float>>(); break;
            case 256 when doubles: action.Run<Lane256<double>>(); break;
            case 256: action.Run<Lane256<float>>(); break;
            case 128 when doubles: action.Run<Lane128<double>>(); break;
            case 128: action.Run<Lane128<float>>(); break;
            case var _ when doubles: action.Run<Lane1<double>>(); break;
            default: action.Run<Lane1<float>>(); break;
        }
    }
}

/// <summary>What is written once for lanes of every width.</summary>
interface ILaneAction
{
    void Run<L>()
        where L : struct, ILane<L>;
}
