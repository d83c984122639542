using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using Infinorm.Execution;
using Infinorm.Schedules;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm;

/// <summary>
/// The contract of all optimizers, as Keras's <c>Optimizer</c>: variables are stepped by gradients, the state can be looked at, saved and
/// loaded, the settings are a config. An optimizer with a rule derives from <see cref="RuleOptimizer"/>; <see cref="LossScaleOptimizer"/>
/// wraps another one.
/// </summary>
/// <remarks>
/// An optimizer is used by one thread at a time: a second one gets an <see cref="InvalidOperationException"/>. It keeps a reference to
/// the gradients of the last call, so that the same memory need not be checked again.
/// </remarks>
public abstract partial class Optimizer
{
    static readonly ConcurrentDictionary<string, int> AutoNames = new();

    double _initialRate;
    long[] _iteration = new long[1];
    Array _heldRate;
    DType _floatX = DType.Float32;
    string? _name;

    /// <param name="rate">The number that the optimizer's own rate variable holds.</param>
    private protected Optimizer(double rate) => SetInitialRate(rate);

    /// <summary>
    /// The name, first part of the paths of the optimizer's variables. The default is the class's name in snake case, with <c>_1</c>,
    /// <c>_2</c> and so on from the second of its class in this process, given out when the name is first needed. Keras: <c>name</c>.
    /// </summary>
    /// <exception cref="ArgumentException">The name is empty or contains <c>/</c>.</exception>
    public string Name
    {
        get => _name ??= NextAutoName();
        init => _name = CheckName(value);
    }

    /// <summary>
    /// The type that a constant learning rate is held in: <see cref="DType.Float32"/>, the default, or <see cref="DType.Float64"/>. In
    /// the default, double variables see 0.001 as 0.0010000000474974513, as in Keras, whose <c>floatx</c> this is.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">It is another type.</exception>
    public DType FloatX
    {
        get => _floatX;
        init => SetFloatX(value);
    }

    /// <summary>
    /// The learning rate. A number may be replaced by another number, and anything by a schedule or function; then the optimizer's
    /// variable <c>learning_rate</c> is gone. Keras: <c>learning_rate</c>.
    /// </summary>
    /// <exception cref="InvalidOperationException">A schedule or function is replaced by a number.</exception>
    public abstract LearningRate LearningRate { get; set; }

    /// <summary>The number in force for the next step: the schedule at the counter, or what the function returns.</summary>
    /// <exception cref="InvalidOperationException">The schedule or function gives NaN or infinity.</exception>
    public abstract double CurrentLearningRate { get; }

    /// <summary>Completed updates: the counter, divided by the accumulation steps. Keras: <c>iterations</c>.</summary>
    public abstract long Iterations { get; }

    /// <summary>Whether <see cref="Build(ReadOnlySpan{Variable})"/> was called, by itself or by the first Apply with variables.</summary>
    public abstract bool IsBuilt { get; }

    /// <summary>The variables that the optimizer was built for, in that order; empty before.</summary>
    public abstract IReadOnlyList<Variable> TrainableVariables { get; }

    /// <summary>
    /// The optimizer's own variables, named and ordered as in Keras: <c>iteration</c>; <c>learning_rate</c> where it is a number; then,
    /// once built, all averages, all gradient accumulators, the slots, single numbers, and the master weights, which Keras does not have.
    /// Each views the optimizer's memory and can be assigned. Keras: <c>variables</c>.
    /// </summary>
    public abstract IReadOnlyList<Variable> Variables { get; }

    /// <summary>The loss to differentiate, so that gradients arrive multiplied by the loss scale. Keras: <c>scale_loss</c>.</summary>
    /// <param name="loss">The loss.</param>
    /// <returns>The loss times the loss scale, or the loss itself if there is no scale.</returns>
    public abstract double ScaleLoss(double loss);

    /// <inheritdoc cref="ScaleLoss(double)"/>
    public abstract float ScaleLoss(float loss);

    /// <summary>
    /// Keeps variables out of weight decay. Each call replaces what former calls excluded. Keras: <c>exclude_from_weight_decay</c>.
    /// </summary>
    /// <param name="variables">Variables to exclude.</param>
    /// <param name="names">
    /// Regular expressions, searched for anywhere in <see cref="Variable.Name"/> (never in the path): <c>bias</c> also excludes
    /// <c>my_bias_2</c>, <c>^bias$</c> does not. A pattern that matches no name excludes nothing, as in Keras.
    /// </param>
    /// <exception cref="InvalidOperationException">The optimizer is built.</exception>
    /// <exception cref="ArgumentException">A name is null or not a valid regular expression.</exception>
    public abstract void ExcludeFromWeightDecay(IEnumerable<Variable>? variables = null, IEnumerable<string>? names = null);

    /// <summary>
    /// Ends a training with averages: copies them into the variables, each rounded once, to nearest, to its variable's type, and into
    /// the master weights. Without averages it does nothing. Keras: <c>finalize_variable_values</c>.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// There are no averages yet, as the optimizer is not built or made no step, or it is in use.
    /// </exception>
    public abstract void FinalizeVariableValues();

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
    /// Puts the averages into the variables until the result is disposed; disposing restores the variables' own values, bit for bit:
    /// <c>using (optimizer.UseAverages()) Evaluate();</c>. In between, the optimizer cannot step.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// The optimizer keeps no averages, it has not stepped yet, or the averages are in the variables already.
    /// </exception>
    public abstract IDisposable UseAverages();

    /// <summary>The class, name and rate, and how far the optimizer is.</summary>
    public override string ToString() => $"{GetType().Name} \"{Name}\", learning rate {LearningRate}, "
        + (IsBuilt ? $"{TrainableVariables.Count} variables, {Iterations} updates" : "not built");

    /// <summary>Has executors of another kind step the variables that the optimizer will be built for.</summary>
    internal abstract void UseExecutor(Func<IExecutor> make);

    /// <summary>The ranks that step together; null for this process by itself.</summary>
    internal abstract World? World { get; }

    /// <summary>Remembers the ranks.</summary>
    private protected abstract void SetWorld(World world);

    /// <summary>
    /// Leaves the scaling to a <see cref="LossScaleOptimizer"/>. Keras does not list the placeholders of an optimizer within one.
    /// </summary>
    /// <exception cref="ArgumentException">The optimizer cannot.</exception>
    internal abstract void LeaveScaling();

    /// <summary>The optimizers whose rules step the variables: this one, or those that it wraps.</summary>
    internal abstract IReadOnlyList<RuleOptimizer> Steppers { get; }

    /// <summary>Whether a call is skipped, not made, where a gradient is not finite.</summary>
    internal virtual bool SkipsNonFinite => false;

    /// <summary>Whether there are moving averages that hold something.</summary>
    internal abstract bool HasAverages { get; }

    /// <summary>Calls of Apply since the last update, whose gradients wait in the accumulators.</summary>
    internal abstract int PendingCalls { get; }

    /// <summary>Whether variables are excluded from weight decay by patterns of their names.</summary>
    internal abstract bool ExcludesByName { get; }

    /// <summary>Excludes from weight decay what another optimizer of the same class excludes; before it is built.</summary>
    internal abstract void ExcludeAs(Optimizer other);

    /// <summary>The built variables that are excluded from weight decay, for what stores them.</summary>
    internal abstract IEnumerable<Variable> WeightDecayExclusions { get; }

    /// <summary>The groups; one that has nothing of its own where the variables are not divided.</summary>
    internal abstract IReadOnlyList<VariableGroup> Groups { get; }

    /// <summary>The number of the group that a built variable is in.</summary>
    internal abstract int GroupOf(int variable);

    /// <summary>The number in force for a group's next step.</summary>
    internal abstract double CurrentRateOf(VariableGroup group);

    /// <summary>Calls of Apply that were not skipped; Keras's stored <c>iteration</c>.</summary>
    private protected ref long Counter => ref _iteration[0];

    /// <summary>The number that the rate variable holds.</summary>
    private protected double HeldRate
    {
        get => _heldRate is float[] single ? single[0] : ((double[])_heldRate)[0];
        set => ToHeldRate(value).CopyTo(_heldRate, 0);
    }

    /// <summary>The variables of the counter and, where it is a number, of the rate.</summary>
    private protected IEnumerable<Variable> CounterAndRate(bool hasRate)
    {
        yield return new Variable<long>($"{Name}/iteration", _iteration, ReadOnlySpan<int>.Empty);
        if (!hasRate)
            yield break;
        yield return _heldRate is float[] single
            ? new Variable<float>($"{Name}/learning_rate", single, ReadOnlySpan<int>.Empty)
            : new Variable<double>($"{Name}/learning_rate", (double[])_heldRate, ReadOnlySpan<int>.Empty);
    }

    [MemberNotNull(nameof(_heldRate))]
    private protected void SetInitialRate(double rate)
    {
        _initialRate = rate;
        _heldRate = ToHeldRate(rate);
    }

    internal virtual void SetFloatX(DType floatX)
    {
        if (floatX is not (DType.Float32 or DType.Float64))
            throw new ArgumentOutOfRangeException(nameof(FloatX), floatX, "FloatX is Float32 or Float64.");
        _floatX = floatX;
        _heldRate = ToHeldRate(_initialRate);
    }

    /// <summary>A number as the rate variable holds it.</summary>
    private protected double Held(double rate) => _floatX == DType.Float64 ? rate : (float)rate;

    /// <summary>A copy that shares the settings and nothing that a step changes.</summary>
    private protected Optimizer CloneSelf()
    {
        var clone = (Optimizer)MemberwiseClone();
        clone._iteration = [.. _iteration];
        clone._heldRate = (Array)_heldRate.Clone();
        return clone;
    }

    Array ToHeldRate(double rate)
    {
        if (_floatX == DType.Float64)
            return new[] { rate };
        float rounded = (float)rate;
        return float.IsFinite(rounded)
            ? new[] { rounded }
            : throw new ArgumentOutOfRangeException(nameof(LearningRate), rate, "The learning rate does not fit into a float.");
    }

    static string CheckName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Length == 0 || name.Contains('/'))
            throw new ArgumentException($"Name must not be empty or contain '/': found \"{name}\".", nameof(Name));
        return name;
    }

    string NextAutoName()
    {
        string name = SnakeCase(GetType().Name);
        int number = AutoNames.AddOrUpdate(name, 0, (_, last) => last + 1);
        return number == 0 ? name : $"{name}_{number}";
    }

    internal static string SnakeCase(string name)
    {
        var snake = new StringBuilder();
        for (int i = 0; i < name.Length; i++)
        {
            bool endsAWord = i > 0 && (!char.IsUpper(name[i - 1]) || (i + 1 < name.Length && char.IsLower(name[i + 1])));
            if (endsAWord && char.IsUpper(name[i]))
                snake.Append('_');
            snake.Append(char.ToLowerInvariant(name[i]));
        }

        return snake.ToString();
    }
}
