using System.Runtime.InteropServices;
using Infinorm.Types;

namespace Infinorm.Execution.Memory;

/// <summary>Accumulators are zeroed when they are next used, not in the update that spends them.</summary>
sealed unsafe partial class MemoryExecutor
{
    /// <summary>
    /// Sets what a variable's gradient of this call is added to before the division by the plan's number of gradients; null where it is the mean
    /// already. For an executor that keeps no accumulators itself.
    /// </summary>
    public void SetAccumulator(int variable, byte* accumulator) => _states[variable].Accumulator = accumulator;

    // Writes the zeros that a spent accumulator means, for whoever looks at it.
    void ZeroIfSpent(int variable)
    {
        ref VariableState state = ref _states[variable];
        if (!state.AccumulatorIsSpent)
            return;
        NativeMemory.Clear(state.Accumulator, (nuint)((nint)state.Elements.Length * state.ComputeType.Size()));
        state.AccumulatorIsSpent = false;
    }

    // Only the plain accumulation, the common case, knows a spent accumulator.
    void ZeroSpentAccumulators(in StepPlan plan)
    {
        for (int i = 0; i < _states.Length; i++)
        {
            if (_states[i].AccumulatorIsSpent && _gradients[i].Owner is not null && !IsPlainlyAccumulated(i, in plan))
                ZeroIfSpent(i);
        }
    }

    void MarkAccumulators(in StepPlan plan)
    {
        for (int i = 0; i < _states.Length; i++)
        {
            if (plan.ResetsAccumulators)
                _states[i].AccumulatorIsSpent = true;
            else if (_gradients[i].Owner is not null && IsPlainlyAccumulated(i, in plan))
                _states[i].AccumulatorIsSpent = false;
        }
    }

    bool IsPlainlyAccumulated(int variable, in StepPlan plan)
    {
        ref VariableState state = ref _states[variable];
        return !plan.Updates && !state.OverwrittenByGradient && state.GradientType(_gradients[variable].DType) == state.ComputeType;
    }
}
