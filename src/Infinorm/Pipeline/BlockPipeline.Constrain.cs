using System.Runtime.InteropServices;

namespace Infinorm.Pipeline;

/// <summary>Constraints look at whole variables, so they come after the pass.</summary>
sealed unsafe partial class BlockPipeline
{
    void Constrain()
    {
        foreach (int t in _constrained)
        {
            ref Target target = ref _targets[t];
            if (!IsStepped(t))
                continue;
            Constraint constraint = target.Constraint!;
            int length = target.Spot.Length;
            ReadOnlySpan<nint> shape = target.Variable.Shape;
            if (target.Wide != null)
            {
                constraint.Apply(new Span<float>(target.Wide, length), shape);
                fixed (byte* weights = &target.Spot.At(0))
                    Narrow(in _plan, target.RandomStream, target.Wide, weights, target.Spot.DType, start: 0, length);
            }
            else if (target.ComputeType == DType.Float64)
            {
                constraint.Apply(MemoryMarshal.Cast<byte, double>(target.Variable.Bytes), shape);
            }
            else
            {
                constraint.Apply(MemoryMarshal.Cast<byte, float>(target.Variable.Bytes), shape);
            }
        }
    }
}
