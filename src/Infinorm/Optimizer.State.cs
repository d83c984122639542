using System.Globalization;
using Infinorm.Variables;

namespace Infinorm;

public abstract partial class Optimizer
{
    /// <summary>Sets all of <see cref="Variables"/>, each cast to its type. Nothing is changed if it throws. Keras: <c>set_weights</c>.</summary>
    /// <param name="weights">One array for each, of its shape.</param>
    /// <exception cref="InvalidOperationException">The optimizer is not built, or in use.</exception>
    /// <exception cref="ArgumentException">The number of arrays or a shape differs.</exception>
    public void SetWeights(IReadOnlyList<NdArray> weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        RequireBuilt("to set");
        using var _ = Enter();
        AssignAll(weights);
    }

    /// <summary>
    /// Saves all of <see cref="Variables"/> under the keys "0", "1" and so on. Keras: <c>save_own_variables</c>.
    /// </summary>
    /// <exception cref="InvalidOperationException">A step failed in the middle, and the state was not set since.</exception>
    public void SaveOwnVariables(VariableStore store)
    {
        ArgumentNullException.ThrowIfNull(store);
        RequireWhole();
        IReadOnlyList<Variable> variables = Variables;
        for (int i = 0; i < variables.Count; i++)
            store.Save(Key(i), variables[i].ToNdArray());
    }

    /// <summary>
    /// Sets all of <see cref="Variables"/> from the keys "0", "1" and so on, each cast to its type. Nothing is changed if it throws.
    /// Keras: <c>load_own_variables</c>.
    /// </summary>
    /// <exception cref="InvalidOperationException">The optimizer is in use.</exception>
    /// <exception cref="ArgumentException">The store has more or fewer keys, another key, or an array of another shape.</exception>
    public void LoadOwnVariables(VariableStore store)
    {
        ArgumentNullException.ThrowIfNull(store);
        using var _ = Enter();
        IReadOnlyList<Variable> variables = Variables;
        IReadOnlyList<NdArray?> untracked = UntrackedByKeras; // if they are not stored, they have their initial values
        if (store.Keys.Count == variables.Count)
            untracked = new NdArray?[variables.Count];
        if (store.Keys.Count != untracked.Count(value => value is null))
        {
            throw new ArgumentException(
                $"{Name}: the store has {store.Keys.Count} variables, the optimizer has {variables.Count}. "
                + "Build it, with the settings it was saved with, before loading.", nameof(store));
        }

        var values = new NdArray[variables.Count];
        for (int i = 0, stored = 0; i < values.Length; i++)
        {
            if (untracked[i] is { } first)
            {
                values[i] = first;
                continue;
            }

            if (!store.Keys.Contains(Key(stored)))
                throw new ArgumentException($"{Name}: the store has no key \"{Key(stored)}\" ({variables[i].Path}).", nameof(store));
            values[i] = store.Load(Key(stored++));
        }

        AssignAll(values);
    }

    /// <summary>
    /// Computes what Apply would do to the given values and returns the new values, bit for bit the same. It changes nothing, neither the optimizer
    /// nor its variables. Keras: <c>stateless_apply</c>.
    /// </summary>
    /// <param name="optimizerVariables">A value for each of <see cref="Variables"/>.</param>
    /// <param name="gradients">One for each built variable.</param>
    /// <param name="trainableVariables">A value for each built variable.</param>
    /// <returns>The values after the step.</returns>
    /// <exception cref="InvalidOperationException">The optimizer is not built.</exception>
    /// <exception cref="ArgumentException">A count, a shape or a gradient does not fit.</exception>
    public (NdArray[] TrainableVariables, NdArray[] OptimizerVariables) StatelessApply(
        IReadOnlyList<NdArray> optimizerVariables, ReadOnlySpan<Gradient> gradients, IReadOnlyList<NdArray> trainableVariables)
    {
        ArgumentNullException.ThrowIfNull(optimizerVariables);
        ArgumentNullException.ThrowIfNull(trainableVariables);
        if (!IsBuilt)
            throw new InvalidOperationException($"{Name} is not built. Call Build with the variables first.");
        if (trainableVariables.Count != TrainableVariables.Count)
        {
            throw new ArgumentException(
                $"{Name}: {trainableVariables.Count} values, the optimizer was built for {TrainableVariables.Count} variables.",
                nameof(trainableVariables));
        }

        Variable[] copies = [.. TrainableVariables.Zip(trainableVariables, (variable, value) => variable.With(value))];
        Optimizer copy = CloneFor(copies);
        copy.AssignAll(optimizerVariables);
        copy.Apply(gradients);
        return ([.. copies.Select(v => v.ToNdArray())], [.. copy.Variables.Select(v => v.ToNdArray())]);
    }

    /// <summary>
    /// For each of <see cref="Variables"/>, the value it begins with if Keras neither lists nor saves it: single numbers that an optimizer
    /// makes inside a <see cref="LossScaleOptimizer"/>. Null for all others.
    /// </summary>
    internal IReadOnlyList<NdArray?> UntrackedByKeras => this is LossScaleOptimizer ? [.. FirstValuesOfUntracked] : new NdArray?[Variables.Count];

    /// <summary>For each of <see cref="Variables"/>, what it begins with if it would be untracked in a <see cref="LossScaleOptimizer"/>.</summary>
    internal abstract IEnumerable<NdArray?> FirstValuesOfUntracked { get; }

    /// <summary>An optimizer with the same settings, built for copies of this one's variables.</summary>
    internal abstract Optimizer CloneFor(Variable[] copies);

    /// <exception cref="InvalidOperationException">A step failed in the middle, and the state was not set since.</exception>
    internal abstract void RequireWhole();

    /// <summary>Says that all of the state was set, so that a step that failed in the middle no longer matters.</summary>
    internal abstract void MarkRestored();

    /// <summary>All of <see cref="Variables"/> under names that do not depend on the optimizer's, which begin with the root.</summary>
    internal abstract IEnumerable<StateTensor> State(string root);

    private protected void AssignAll(IReadOnlyList<NdArray> values)
    {
        IReadOnlyList<Variable> variables = Variables;
        if (values.Count != variables.Count)
            throw new ArgumentException($"{Name}: {values.Count} values, the optimizer has {variables.Count} variables.", nameof(values));
        for (int i = 0; i < values.Count; i++)
            variables[i].CheckFits(values[i]);
        for (int i = 0; i < values.Count; i++)
            variables[i].Assign(values[i]);
        MarkRestored();
    }

    static string Key(int index) => index.ToString(CultureInfo.InvariantCulture);
}
