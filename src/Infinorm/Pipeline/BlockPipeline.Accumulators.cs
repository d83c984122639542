using System.Runtime.InteropServices;

namespace Infinorm.Pipeline;

/// <summary>Accumulators are zeroed when they are next used, not in the update that spends them.</summary>
sealed unsafe partial class BlockPipeline
{
    /// <summary>Writes the zeros that a spent accumulator means, for whoever looks at it.</summary>
    public void ZeroIfSpent(int target)
    {
        ref Target spent = ref _targets[target];
        if (!spent.AccumulatorIsSpent)
            return;
        NativeMemory.Clear(spent.Accumulator, (nuint)((nint)spent.Spot.Length * spent.ComputeType.Size()));
        spent.AccumulatorIsSpent = false;
    }

    // Only the plain accumulation, the common case, knows a spent accumulator.
    void ZeroSpentAccumulators()
    {
        for (int t = 0; t < _targets.Length; t++)
        {
            if (_targets[t].AccumulatorIsSpent && _gradients[t].Owner is not null && !IsPlainlyAccumulated(t))
                ZeroIfSpent(t);
        }
    }

    void MarkAccumulators()
    {
        for (int t = 0; t < _targets.Length; t++)
        {
            if (_plan.ResetsAccumulators)
                _targets[t].AccumulatorIsSpent = true;
            else if (_gradients[t].Owner is not null && IsPlainlyAccumulated(t))
                _targets[t].AccumulatorIsSpent = false;
        }
    }

    bool IsPlainlyAccumulated(int target)
    {
        ref Target accumulated = ref _targets[target];
        return !_plan.Updates && !accumulated.OverwrittenByGradient
            && accumulated.GradientType(_gradients[target].DType) == accumulated.ComputeType;
    }
}
