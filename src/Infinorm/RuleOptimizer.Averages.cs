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
        using KeptValues kept = PutAverages();
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
        ExclusiveUse use = Enter();
        try
        {
            return new AveragesInUse(PutAverages(), use);
        }
        catch
        {
            use.Dispose();
            throw;
        }
    }

    // Into all variables or, if something throws, into none.
    KeptValues PutAverages()
    {
        var kept = new KeptValues();
        try
        {
            foreach (OwnedState state in _states.Where(state => state.Kind == AverageSlot))
                kept.Replace(state.Of!, state.Values);
            return kept;
        }
        catch
        {
            kept.Dispose();
            throw;
        }
    }

    void RequireAverages()
    {
        if (!IsBuilt || Counter == 0)
        {
            throw new InvalidOperationException(
                $"{Name} has no averages yet: it {(IsBuilt ? "made no step" : "is not built")}. Zeros would go into the variables.");
        }
    }

    sealed class AveragesInUse(KeptValues kept, ExclusiveUse use) : IDisposable
    {
        bool _disposed;

        public void Dispose()
        {
            if (_disposed)
                return;
            _disposed = true;
            try
            {
                kept.Dispose();
            }
            finally
            {
                use.Dispose();
            }
        }
    }
}
