using System.Text.Json.Nodes;
using Infinorm.Pipeline;

namespace Infinorm;

/// <summary>
/// Dynamic loss scaling around another optimizer, for 16-bit gradients: losses are multiplied by a scale
/// (<see cref="ScaleLoss(double)"/>), gradients divided by it. A call in which a gradient is not finite is skipped and halves the scale;
/// <see cref="DynamicGrowthSteps"/> finite calls in a row double it, between bounds if there are any. Keras: <c>LossScaleOptimizer</c>.
/// </summary>
/// <remarks>
/// The settings all optimizers share are the inner optimizer's: here they throw. <see cref="Optimizer.Iterations"/> and
/// <see cref="LearningRate"/> are the inner optimizer's.
/// </remarks>
public sealed class LossScaleOptimizer : Optimizer
{
    long[] _stepCounter = new long[1];
    float[] _dynamicScale;

    /// <summary>Wraps an optimizer; its <see cref="Optimizer.LossScaleFactor"/> is cleared.</summary>
    /// <param name="innerOptimizer">The optimizer that steps, not yet built.</param>
    /// <param name="initialScale">The first scale, finite and &gt; 0. Keras: <c>initial_scale</c>.</param>
    /// <param name="dynamicGrowthSteps">Finite calls after which the scale is doubled, ≥ 1. Keras: <c>dynamic_growth_steps</c>.</param>
    /// <param name="minimumScale">What the scale does not fall below, finite and &gt; 0; null for no bound, as in Keras.</param>
    /// <param name="maximumScale">What the scale does not grow above, finite and &gt; 0; null for no bound, as in Keras.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A number is outside its range, or the first scale outside the bounds.
    /// </exception>
    /// <exception cref="ArgumentException">The inner optimizer is built, or scales losses itself.</exception>
    public LossScaleOptimizer(
        Optimizer innerOptimizer, double initialScale = 32768, int dynamicGrowthSteps = 2000,
        double? minimumScale = null, double? maximumScale = null)
        : base(0, new OptimizerSettings(nameof(LossScaleOptimizer)))
    {
        ArgumentNullException.ThrowIfNull(innerOptimizer);
        if (innerOptimizer is LossScaleOptimizer)
            throw new ArgumentException("A LossScaleOptimizer cannot wrap another: gradients would be divided twice.", nameof(innerOptimizer));
        if (innerOptimizer.IsBuilt)
            throw new ArgumentException($"{innerOptimizer.Name} is built already; wrap it before.", nameof(innerOptimizer));
        InnerOptimizer = innerOptimizer;
        InitialScale = Check.Positive(initialScale, nameof(initialScale));
        DynamicGrowthSteps = Check.AtLeast(1, dynamicGrowthSteps, nameof(dynamicGrowthSteps));
        MinimumScale = Bound(minimumScale, nameof(minimumScale));
        MaximumScale = Bound(maximumScale, nameof(maximumScale));
        if (!(initialScale >= Least && initialScale <= Most))
        {
            throw new ArgumentOutOfRangeException(
                nameof(initialScale), initialScale, $"initialScale must be between minimumScale and maximumScale, in [{Least}, {Most}].");
        }

        _dynamicScale = [(float)initialScale];
        innerOptimizer.ClearLossScaleFactor();
    }

    /// <summary>The optimizer that steps.</summary>
    public Optimizer InnerOptimizer { get; private set; }

    /// <summary>The scale before the first step.</summary>
    public double InitialScale { get; }

    /// <summary>Finite calls in a row after which the scale is doubled.</summary>
    public int DynamicGrowthSteps { get; }

    /// <summary>What the scale does not fall below; null for no bound.</summary>
    public double? MinimumScale { get; }

    /// <summary>What the scale does not grow above; null for no bound.</summary>
    public double? MaximumScale { get; }

    /// <summary>
    /// The present scale. Without <see cref="MinimumScale"/> and <see cref="MaximumScale"/> it can reach 0 and infinity, as in Keras.
    /// </summary>
    public double DynamicScale => _dynamicScale[0];

    /// <summary>Calls of Apply skipped since this object was made. It is not part of the saved state.</summary>
    public long SkippedSteps { get; private set; }

    /// <inheritdoc/>
    public override bool IsBuilt => InnerOptimizer.IsBuilt;

    /// <inheritdoc/>
    public override IReadOnlyList<Variable> TrainableVariables => InnerOptimizer.TrainableVariables;

    /// <inheritdoc/>
    public override IReadOnlyList<Variable> Variables => IsBuilt
        ? [.. CounterAndRate(), .. CounterAndScale(), .. InnerOptimizer.Variables]
        : [.. CounterAndRate(), .. InnerOptimizer.Variables];

    /// <inheritdoc/>
    public override long Iterations => InnerOptimizer.Iterations;

    /// <inheritdoc/>
    public override LearningRate LearningRate
    {
        get => InnerOptimizer.LearningRate;
        set => InnerOptimizer.LearningRate = value;
    }

    /// <inheritdoc/>
    public override double CurrentLearningRate => InnerOptimizer.CurrentLearningRate;

    /// <inheritdoc/>
    public override double ScaleLoss(double loss) => loss * (IsBuilt ? DynamicScale : InitialScale);

    /// <inheritdoc/>
    public override float ScaleLoss(float loss) => loss * _dynamicScale[0];

    /// <inheritdoc/>
    public override void FinalizeVariableValues() => InnerOptimizer.FinalizeVariableValues();

    /// <inheritdoc/>
    public override IDisposable UseAverages() => InnerOptimizer.UseAverages();

    /// <inheritdoc/>
    public override void ExcludeFromWeightDecay(IEnumerable<Variable>? variables = null, IEnumerable<string>? names = null) =>
        InnerOptimizer.ExcludeFromWeightDecay(variables, names);

    internal override bool ExcludesByName => InnerOptimizer.ExcludesByName;

    internal override IEnumerable<Variable> WeightDecayExclusions => InnerOptimizer.WeightDecayExclusions;

    internal override void SetGroups(int[] groupOf, VariableGroup[] groups) => InnerOptimizer.SetGroups(groupOf, groups);

    internal override IReadOnlyList<VariableGroup> Groups => InnerOptimizer.Groups;

    internal override int GroupOf(int variable) => InnerOptimizer.GroupOf(variable);

    internal override IEnumerable<StateTensor> State(string root) =>
    [
        .. CounterAndRate().Concat(CounterAndScale()).Select(variable => new StateTensor($"{root}/{variable.Name}", null, variable)),
        .. InnerOptimizer.State(root + "/inner_optimizer"),
    ];

    IEnumerable<Variable> CounterAndScale() =>
    [
        new Variable<long>($"{Name}/step_counter", _stepCounter, ReadOnlySpan<int>.Empty),
        new Variable<float>($"{Name}/dynamic_scale", _dynamicScale, ReadOnlySpan<int>.Empty),
    ];

    // One turn for both, so that neither steps while the inner optimizer's averages are in the variables.
    internal override Turn Enter() => InnerOptimizer.Enter();

    internal override StepInfo Step(ReadOnlySpan<Gradient> gradients, double? dynamicScale)
    {
        StepInfo info = InnerOptimizer.Step(gradients, _dynamicScale[0]);
        ref long counter = ref _stepCounter[0];
        if (info.Result == StepResult.Skipped)
        {
            counter = 0;
            _dynamicScale[0] = Bounded(_dynamicScale[0] * 0.5f);
            SkippedSteps++;
        }
        else if (counter == DynamicGrowthSteps - 1)
        {
            counter = 0;
            _dynamicScale[0] = Bounded(_dynamicScale[0] * 2);
        }
        else
        {
            counter++;
        }

        return info;
    }

    double Least => MinimumScale ?? double.NegativeInfinity;

    double Most => MaximumScale ?? double.PositiveInfinity;

    float Bounded(float scale) => (float)Math.Clamp(scale, Least, Most);

    // The scale is a float, so a bound that is no positive float would be none.
    static double? Bound(double? bound, string name)
    {
        if (bound is { } number)
            Check.Positive((float)number, name);
        return bound;
    }

    internal override ReadOnlySpan<Gradient> Ordered(ReadOnlySpan<Gradient> gradients, ReadOnlySpan<Variable> variables) =>
        InnerOptimizer.Ordered(gradients, variables);

    // Built in Apply, Keras puts the inner optimizer's slots below the wrapper's name; built by Build, it does not.
    private protected override string ScopeInApply => $"{Name}/";

    internal override void BuildAt(ReadOnlySpan<Variable> variables, string scope) => InnerOptimizer.BuildAt(variables, scope);

    internal override void Unbuild() => InnerOptimizer.Unbuild();

    internal override Optimizer CloneFor(ReadOnlySpan<Variable> copies)
    {
        var clone = (LossScaleOptimizer)CloneSelf();
        clone._stepCounter = [.. _stepCounter];
        clone._dynamicScale = [.. _dynamicScale];
        clone.InnerOptimizer = InnerOptimizer.CloneFor(copies);
        return clone;
    }

    internal override void SetFloatX(DType floatX)
    {
        base.SetFloatX(floatX);
        InnerOptimizer.SetFloatX(floatX);
    }

    private protected override void GetSharedConfig(JsonObject config)
    {
    }

    /// <inheritdoc/>
    protected override void GetConfig(JsonObject config)
    {
        config["inner_optimizer"] = InnerOptimizer.GetConfig();
        config["initial_scale"] = InitialScale;
        config["dynamic_growth_steps"] = DynamicGrowthSteps;

        // Not Keras's, whose text must stay as it is, so only where there are bounds.
        if (MinimumScale is { } minimum)
            config["minimum_scale"] = minimum;
        if (MaximumScale is { } maximum)
            config["maximum_scale"] = maximum;
    }

    internal static LossScaleOptimizer FromConfig(ConfigReader config)
    {
        JsonObject inner = config.Object("inner_optimizer")
            ?? throw new FormatException($"{config.ClassName}: config key 'inner_optimizer' is missing.");
        if (!config.Boolean("dynamic", true))
        {
            throw new FormatException(
                $"{config.ClassName}: 'dynamic' false is not supported; set 'loss_scale_factor' on the inner optimizer instead.");
        }

        return new(
            FromConfig(inner),
            config.Number("initial_scale", 32768),
            config.OptionalInteger("dynamic_growth_steps") ?? 2000,
            config.OptionalNumber("minimum_scale"),
            config.OptionalNumber("maximum_scale"));
    }

    /// <inheritdoc/>
    protected override void Build(Slots slots)
    {
    }

    /// <inheritdoc/>
    protected override void UpdateStep<L>(Step<L> step) =>
        throw new NotSupportedException("The inner optimizer steps.");
}
