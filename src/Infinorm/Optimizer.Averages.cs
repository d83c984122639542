namespace Infinorm;

public abstract partial class Optimizer
{
    /// <summary>
    /// Ends a training with averages: copies them into the variables, each rounded once, to nearest, to its variable's type, and into
    /// the master weights. Without <see cref="UseEma"/> it does nothing. Keras: <c>finalize_variable_values</c>.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// There are no averages yet, as the optimizer is not built or made no step, or it is in use.
    /// </exception>
    public virtual void FinalizeVariableValues()
    {
        if (!UseEma)
            return;
        RequireAverages();
        using var _ = Enter();
        foreach (var (variable, average) in Averages())
            variable.CopyFrom(average);
        CopyAveragesToMasterWeights();
    }

    /// <summary>As <see cref="FinalizeVariableValues()"/>, for a caller who wants the variables checked.</summary>
    /// <param name="trainableVariables">The variables the optimizer was built for, in that order.</param>
    /// <exception cref="ArgumentException">They are others.</exception>
    /// <exception cref="InvalidOperationException">There are no averages yet, or the optimizer is in use.</exception>
    public void FinalizeVariableValues(IEnumerable<Variable> trainableVariables)
    {
        ArgumentNullException.ThrowIfNull(trainableVariables);
        if (IsBuilt && !trainableVariables.SequenceEqual(TrainableVariables))
        {
            throw new ArgumentException(
                $"{Name}: these are not the {TrainableVariables.Count} variables it was built for, in that order.", nameof(trainableVariables));
        }

        FinalizeVariableValues();
    }

    /// <summary>
    /// Puts the averages into the variables until the result is disposed, which puts the variables' own values back, bit for bit:
    /// <c>using (optimizer.UseAverages()) Evaluate();</c>. In between the optimizer cannot step.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// <see cref="UseEma"/> is off, there are no averages yet, or the averages are in the variables already.
    /// </exception>
    public virtual IDisposable UseAverages()
    {
        if (!UseEma)
            throw new InvalidOperationException($"{Name} keeps no averages: UseEma is off.");
        RequireAverages();
        Turn turn = Enter();
        var saved = new List<(Variable, NdArray)>();
        foreach (var (variable, average) in Averages())
        {
            saved.Add((variable, variable.ToNdArray()));
            variable.CopyFrom(average);
        }

        return new AveragesInUse(saved, turn);
    }

    // The averages come first among the slots' variables, in the order of the variables that have one.
    IEnumerable<(Variable Variable, Variable Average)> Averages() =>
        _trainable.Where(v => !v.OverwriteWithGradient).Zip(_slotVariables);

    void RequireAverages()
    {
        if (!IsBuilt || Counter == 0)
        {
            throw new InvalidOperationException(
                $"{Name} has no averages yet: it {(IsBuilt ? "made no step" : "is not built")}. Zeros would go into the variables.");
        }
    }

    sealed class AveragesInUse(List<(Variable Variable, NdArray Value)> saved, Turn turn) : IDisposable
    {
        bool _disposed;

        public void Dispose()
        {
            if (_disposed)
                return;
            _disposed = true;
            foreach (var (variable, value) in saved)
                variable.Assign(value);
            turn.Dispose();
        }
    }
}
