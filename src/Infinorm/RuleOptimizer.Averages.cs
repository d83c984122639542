using Infinorm.Variables;

namespace Infinorm;

public abstract partial class RuleOptimizer
{
    internal override bool HasAverages => UseEma && Counter > 0;

    /// <inheritdoc/>
    public override void FinalizeVariableValues()
    {
        if (!UseEma)
            return;
        RequireAverages();
        using var use = Enter();
        using var kept = new KeptValues();
        PutAverages(kept);
        foreach (OwnedState state in _states.Where(state => state.Kind == MasterSlot))
            kept.Replace(state.Values, _states.First(other => other.Kind == AverageSlot && other.Of == state.Of).Values);
        kept.Accept();
    }

    /// <inheritdoc/>
    public override IDisposable UseAverages()
    {
        if (!UseEma)
            throw new InvalidOperationException($"{Name} keeps no averages: UseEma is off.");
        RequireAverages();
        var averages = new AveragesInUse(Enter());
        try
        {
            PutAverages(averages.Kept);
            return averages;
        }
        catch
        {
            averages.Dispose(); // memory may run out in the middle
            throw;
        }
    }

    void PutAverages(KeptValues kept)
    {
        foreach (OwnedState state in _states.Where(state => state.Kind == AverageSlot))
            kept.Replace(state.Of!, state.Values);
    }

    void RequireAverages()
    {
        if (!IsBuilt || Counter == 0)
        {
            throw new InvalidOperationException(
                $"{Name} has no averages yet: it {(IsBuilt ? "made no step" : "is not built")}. Zeros would go into the variables.");
        }
    }

    sealed class AveragesInUse(ExclusiveUse use) : IDisposable
    {
        bool _disposed;

        public KeptValues Kept { get; } = new();

        public void Dispose()
        {
            if (_disposed)
                return;
            _disposed = true;
            try
            {
                Kept.Dispose();
            }
            finally
            {
                use.Dispose();
            }
        }
    }
}
