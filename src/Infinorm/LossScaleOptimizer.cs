using System.Text.Json.Nodes;
using Infinorm.Config;
using Infinorm.Execution;
using Infinorm.Schedules;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm;

/// <summary>
/// Dynamic loss scaling around another optimizer, for 16-bit gradients: losses are multiplied by a scale
/// (<see cref="ScaleLoss(double)"/>), gradients divided by it. A call in which a gradient is not finite is skipped and halves the scale;
/// <see cref="DynamicGrowthSteps"/> finite calls in a row double it, between bounds if there are any. Keras: <c>LossScaleOptimizer</c>.
/// </summary>
/// <remarks>
/// The settings that optimizers with a rule share are the inner optimizer's, and so are <see cref="Optimizer.Iterations"/> and
/// <see cref="LearningRate"/>.
/// </remarks>
public sealed class LossScaleOptimizer : Optimizer
{
    readonly Hyperparameter<double> _initialScale;
    readonly Hyperparameter<int> _dynamicGrowthSteps;
    readonly Hyperparameter<double?> _minimumScale, _maximumScale;
    long[] _stepCounter = new long[1];
    float[] _dynamicScale;

    /// <summary>Wraps an optimizer; its <see cref="RuleOptimizer.LossScaleFactor"/> is cleared.</summary>
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
        : base(0)
    {
        ArgumentNullException.ThrowIfNull(innerOptimizer);
        if (innerOptimizer is LossScaleOptimizer)
            throw new ArgumentException("A LossScaleOptimizer cannot wrap another: gradients would be divided twice.", nameof(innerOptimizer));
        if (innerOptimizer.IsBuilt)
            throw new ArgumentException($"{innerOptimizer.Name} is built already; wrap it before.", nameof(innerOptimizer));
        InnerOptimizer = innerOptimizer;
        _initialScale = Hyperparameters.Number("initial_scale", initialScale, NumberRange.Positive);
        _dynamicGrowthSteps = Hyperparameters.Integer("dynamic_growth_steps", dynamicGrowthSteps, least: 1);

        // Not Keras's, whose text must stay as it is, so only where there are bounds. The scale is a float, so that a bound that is no
        // positive float would be none.
        var positiveFloat = new NumberRange("a finite number > 0", bound => (float)bound is > 0 and < float.PositiveInfinity);
        _minimumScale = Hyperparameters.OptionalNumber("minimum_scale", minimumScale, positiveFloat).WrittenUnless(null);
        _maximumScale = Hyperparameters.OptionalNumber("maximum_scale", maximumScale, positiveFloat).WrittenUnless(null);
        _dynamicScale = FirstScale();
        base.SetFloatX(innerOptimizer.FloatX); // one for both, as a checkpoint holds one
        innerOptimizer.LeaveScaling();
    }

    /// <summary>The optimizer that steps.</summary>
    public Optimizer InnerOptimizer { get; private set; }

    /// <summary>The scale before the first step.</summary>
    public double InitialScale => _initialScale;

    /// <summary>Finite calls in a row after which the scale is doubled.</summary>
    public int DynamicGrowthSteps => _dynamicGrowthSteps;

    /// <summary>What the scale does not fall below; null for no bound.</summary>
    public double? MinimumScale => _minimumScale;

    /// <summary>What the scale does not grow above; null for no bound.</summary>
    public double? MaximumScale => _maximumScale;

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
        ? [.. CounterAndRate(hasRate: true), .. CounterAndScale(), .. InnerOptimizer.Variables]
        : [.. CounterAndRate(hasRate: true), .. InnerOptimizer.Variables];

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

    /// <inheritdoc/>
    public override string ToString() =>
        InnerOptimizer is MultiOptimizer ? $"{GetType().Name} \"{Name}\" around {InnerOptimizer}" : base.ToString();

    internal override bool ExcludesByName => InnerOptimizer.ExcludesByName;

    internal override void ExcludeAs(Optimizer other) => InnerOptimizer.ExcludeAs(((LossScaleOptimizer)other).InnerOptimizer);

    internal override IEnumerable<Variable> WeightDecayExclusions => InnerOptimizer.WeightDecayExclusions;

    internal override IReadOnlyList<VariableGroup> Groups => InnerOptimizer.Groups;

    internal override int GroupOf(int variable) => InnerOptimizer.GroupOf(variable);

    internal override double CurrentRateOf(VariableGroup group) => InnerOptimizer.CurrentRateOf(group);

    internal override IReadOnlyList<RuleOptimizer> Steppers => InnerOptimizer.Steppers;

    internal override bool SkipsNonFinite => true;

    internal override IEnumerable<NdArray?> FirstValuesOfUntracked =>
        [.. Enumerable.Repeat<NdArray?>(null, Variables.Count - InnerOptimizer.Variables.Count), .. InnerOptimizer.FirstValuesOfUntracked];

    internal override World? World => InnerOptimizer.World;

    private protected override void SetWorld(World world) => InnerOptimizer.Over(world);

    internal override void UseExecutor(Func<IExecutor> make) => InnerOptimizer.UseExecutor(make);

    internal override void LeaveScaling() => throw new NotSupportedException("A LossScaleOptimizer cannot wrap another.");

    internal override void RequireWhole() => InnerOptimizer.RequireWhole();

    internal override void MarkRestored() => InnerOptimizer.MarkRestored();

    internal override bool HasAverages => InnerOptimizer.HasAverages;

    internal override int PendingCalls => InnerOptimizer.PendingCalls;

    internal override IEnumerable<StateTensor> State(string root) =>
    [
        .. CounterAndRate(hasRate: true).Concat(CounterAndScale()).Select(variable => new StateTensor($"{root}/{variable.Name}", null, variable)),
        .. InnerOptimizer.State(root + "/inner_optimizer"),
    ];

    IEnumerable<Variable> CounterAndScale() =>
    [
        new Variable<long>($"{Name}/step_counter", _stepCounter, ReadOnlySpan<int>.Empty),
        new Variable<float>($"{Name}/dynamic_scale", _dynamicScale, ReadOnlySpan<int>.Empty),
    ];

    // One use of both, so that neither steps while the inner optimizer's averages are in the variables.
    internal override ExclusiveUse Enter() => InnerOptimizer.Enter();

    internal override StepInfo Advance(ReadOnlySpan<Gradient> gradients, double? dynamicScale)
    {
        StepInfo info = InnerOptimizer.Advance(gradients, _dynamicScale[0]);
        if (World is not null && info.Result == StepResult.Accumulated)
            return info; // updates count, as the number of calls that make one depends on that of the ranks
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

    float[] FirstScale() => InitialScale >= Least && InitialScale <= Most
        ? [(float)InitialScale]
        : throw new ArgumentOutOfRangeException(
            "initialScale", InitialScale, $"initialScale must be between minimumScale and maximumScale, in [{Least}, {Most}].");

    double Least => MinimumScale ?? double.NegativeInfinity;

    double Most => MaximumScale ?? double.PositiveInfinity;

    float Bounded(float scale) => (float)Math.Clamp(scale, Least, Most);

    internal override ReadOnlySpan<Gradient> Ordered(ReadOnlySpan<Gradient> gradients, ReadOnlySpan<Variable> variables) =>
        InnerOptimizer.Ordered(gradients, variables);

    // Built in Apply, Keras puts the inner optimizer's slots below the wrapper's name; built by Build, it does not.
    private protected override string ScopeInApply => $"{Name}/";

    internal override void BuildAt(ReadOnlySpan<Variable> variables, Grouping grouping, string? scope) =>
        InnerOptimizer.BuildAt(variables, grouping, scope);

    internal override void Unbuild() => InnerOptimizer.Unbuild();

    internal override void DropUpdate() => InnerOptimizer.DropUpdate();

    internal override Optimizer CloneFor(Variable[] copies)
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

    private protected override void WriteConfig(JsonObject config) => config["inner_optimizer"] = InnerOptimizer.GetConfig();

    internal static LossScaleOptimizer FromConfig(ConfigReader config)
    {
        JsonObject inner = config.Object("inner_optimizer")
            ?? throw new FormatException($"{config.ClassName}: config key 'inner_optimizer' is missing.");
        if (!config.Boolean("dynamic", true))
        {
            throw new FormatException(
                $"{config.ClassName}: 'dynamic' false is not supported; set 'loss_scale_factor' on the inner optimizer instead.");
        }

        var optimizer = new LossScaleOptimizer(FromConfig(inner));
        optimizer.ReadName(config);
        RuleOptimizer.RefuseSettings(config);
        optimizer.Hyperparameters.Read(config);
        optimizer._dynamicScale = optimizer.FirstScale();
        return optimizer;
    }
}
