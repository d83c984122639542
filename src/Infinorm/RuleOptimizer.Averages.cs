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
        var saved = new List<(Variable, NdArray)>();
        foreach (var (variable, average) in Averages())
        {
            saved.Add((variable, variable.ToNdArray()));
            variable.CopyFrom(average);
        }

        return new AveragesInUse(saved, use);
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

    sealed class AveragesInUse(List<(Variable Variable, NdArray Value)> saved, ExclusiveUse use) : IDisposable
    {
        bool _disposed;

        public void Dispose()
        {
            if (_disposed)
                return;
            _disposed = true;
            foreach (var (variable, value) in saved)
                variable.Assign(value);
            use.Dispose();
        }
    }
}
