namespace Infinorm;

public abstract partial class RuleOptimizer
{
    /// <inheritdoc/>
    public override void FinalizeVariableValues()
    {
        if (!UseEma)
            return;
        RequireAverages();
        using var _ = Enter();
        foreach (var (variable, average) in Averages())
            variable.CopyFrom(average);
        CopyAveragesToMasterWeights();
    }

    /// <inheritdoc/>
    public override IDisposable UseAverages()
    {
        if (!UseEma)
            throw new InvalidOperationException($"{Name} keeps no averages: UseEma is off.");
        RequireAverages();
        ExclusiveUse use = Enter();
        var averages = new AveragesInUse(use);
        try
        {
            (Variable Variable, Variable Average)[] pairs = [.. Averages()];
            foreach (var (variable, _) in pairs)
                averages.Keep(variable);
            foreach (var (variable, average) in pairs)
                variable.CopyFrom(average);
            return averages;
        }
        catch
        {
            averages.Dispose();
            throw;
        }
    }

    internal override bool HasAverages => UseEma && Counter > 0;

    IEnumerable<(Variable Variable, Variable Average)> Averages() =>
        _states.Where(state => state.Kind == AverageSlot).Select(state => (state.Of!, state.Values));

    void CopyAveragesToMasterWeights()
    {
        if (!UseMasterWeights)
            return;
        Dictionary<Variable, Variable> averages = Averages().ToDictionary(pair => pair.Variable, pair => pair.Average);
        foreach (OwnedState state in _states.Where(state => state.Kind == MasterSlot))
            state.Values.CopyFrom(averages[state.Of!]);
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
        List<(Variable Variable, Variable Own)> _kept = [];

        public void Keep(Variable variable) => _kept.Add((variable, variable.Copy()));

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _kept!, null) is not { } kept)
                return;
            try
            {
                foreach (var (variable, own) in kept)
                {
                    variable.CopyFrom(own);
                    own.ReleaseCopy();
                }
            }
            finally
            {
                use.Dispose();
            }
        }
    }
}
