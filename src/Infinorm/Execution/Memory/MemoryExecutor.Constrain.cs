using Infinorm.Constraints;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Execution.Memory;

/// <summary>Constraints look at whole variables, so they come after the pass.</summary>
sealed unsafe partial class MemoryExecutor
{
    void Constrain(in StepPlan plan)
    {
        foreach (int i in _constrained)
        {
            ref VariableState state = ref _states[i];
            if (!IsStepped(i))
                continue;
            Constraint constraint = state.Constraint!;
            int length = state.Elements.Length;
            ReadOnlySpan<nint> shape = state.Variable.Shape;
            if (state.FloatCopy != null)
            {
                constraint.Apply(new Span<float>(state.FloatCopy, length), shape);
                fixed (byte* weights = &state.Elements.At(0))
                    WeightBlocks.Narrow(in plan, in state, state.FloatCopy, weights, start: 0, length);
            }
            else if (state.ComputeType == DType.Float64)
            {
                constraint.Apply(((Variable<double>)state.Variable).Span, shape);
            }
            else
            {
                constraint.Apply(((Variable<float>)state.Variable).Span, shape);
            }
        }
    }
}
