using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;
using Infinorm.Types;

namespace Infinorm;

/// <summary>
/// The base of all optimizers with a formula of their own: the common settings, the counters, and the stages around the rule. A subclass
/// declares its hyperparameters and slots, and names its rule.
/// </summary>
/// <remarks>
/// Keep what a step changes in slots: they are saved, compared by checkpoints, and copied by
/// <see cref="Optimizer.StatelessApply"/>. A field of the subclass is not.
/// </remarks>
public abstract partial class RuleOptimizer : Optimizer, IRuleSource
{
    readonly Hyperparameter<double?> _weightDecay, _clipNorm, _globalClipNorm, _clipValue, _lossScaleFactor;
    readonly Hyperparameter<bool> _useEma, _useMasterWeights, _useStochasticRounding, _slotStorage;
    readonly Hyperparameter<double> _emaMomentum;
    readonly Hyperparameter<int?> _emaOverwriteFrequency, _gradientAccumulationSteps;
    readonly Hyperparameter<int> _roundingSeed, _byteStorageMinimum;
    LearningRate _learningRate;
    int _maxDegreeOfParallelism = Environment.ProcessorCount;

    /// <summary>Initialises the common part of an optimizer.</summary>
    /// <param name="learningRate">A number, a schedule or a function.</param>
#pragma warning disable RS0022 // It is what optimizers derive from; the contract itself is implemented here and in the wrappers alone.
    protected RuleOptimizer(LearningRate learningRate)
#pragma warning restore RS0022
        : base(learningRate?.Value ?? 0)
    {
        ArgumentNullException.ThrowIfNull(learningRate);
        _learningRate = learningRate;

        // In the order of Keras's config. Settings that Keras does not have come last, and only if they are used.
        _weightDecay = Hyperparameters.OptionalNumber("weight_decay", null, name: nameof(WeightDecay));
        _clipNorm = Hyperparameters.NumberOrOff("clipnorm", CheckClip(nameof(ClipNorm), () => ClipValue ?? GlobalClipNorm), nameof(ClipNorm));
        _globalClipNorm = Hyperparameters.NumberOrOff(
            "global_clipnorm", CheckClip(nameof(GlobalClipNorm), () => ClipNorm ?? ClipValue), nameof(GlobalClipNorm));
        _clipValue = Hyperparameters.NumberOrOff("clipvalue", CheckClip(nameof(ClipValue), () => ClipNorm ?? GlobalClipNorm), nameof(ClipValue));
        _useEma = Hyperparameters.Switch("use_ema", false, nameof(UseEma));
        _emaMomentum = Hyperparameters.Number("ema_momentum", 0.99, NumberRange.Unit, nameof(EmaMomentum));
        _emaOverwriteFrequency = Hyperparameters.IntegerOrOff("ema_overwrite_frequency", 1, nameof(EmaOverwriteFrequency));
        _lossScaleFactor = Hyperparameters.OptionalNumber("loss_scale_factor", null, NumberRange.NotZero, nameof(LossScaleFactor));
        _gradientAccumulationSteps = Hyperparameters.IntegerOrOff("gradient_accumulation_steps", 2, nameof(GradientAccumulationSteps));
        _useMasterWeights = Hyperparameters.Switch("use_master_weights", false, nameof(UseMasterWeights)).WrittenUnless(false);
        _useStochasticRounding = Hyperparameters.Switch("use_stochastic_rounding", false, nameof(UseStochasticRounding)).WrittenUnless(false);
        _roundingSeed = Hyperparameters.Integer("rounding_seed", 0, name: nameof(RoundingSeed)).WrittenUnless(0);
        _slotStorage = Hyperparameters.Switch("one_byte_slots", false, nameof(SlotStorage)).WrittenUnless(false);
        _byteStorageMinimum = Hyperparameters.Integer("one_byte_minimum", 4096, least: 1, name: nameof(ByteStorageMinimum)).WrittenUnless(4096);
    }

    /// <summary>
    /// Decoupled weight decay: before each update w ← w − w · decay · rate. Any finite number; null, the default, for no decay.
    /// A negative number makes weights grow. Keras: <c>weight_decay</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is not finite.</exception>
    public double? WeightDecay
    {
        get => _weightDecay;
        init => _weightDecay.Value = value;
    }

    /// <summary>
    /// The norm to which each gradient is clipped separately: &gt; 0; null, the default, for no clipping. At most one of <c>ClipNorm</c>,
    /// <see cref="GlobalClipNorm"/> and <see cref="ClipValue"/> may be set. Keras: <c>clipnorm</c>.
    /// </summary>
    /// <exception cref="ArgumentException">The number is not finite and &gt; 0, or another clip is set.</exception>
    public double? ClipNorm
    {
        get => _clipNorm;
        init => _clipNorm.Value = value;
    }

    /// <summary>
    /// The absolute value to which each element of a gradient is clipped: &gt; 0; null, the default, for no clipping. Keras: <c>clipvalue</c>.
    /// </summary>
    /// <exception cref="ArgumentException">The number is not finite and &gt; 0, or another clip is set.</exception>
    public double? ClipValue
    {
        get => _clipValue;
        init => _clipValue.Value = value;
    }

    /// <summary>
    /// The norm to which all gradients together are clipped: &gt; 0; null, the default, for no clipping. Keras: <c>global_clipnorm</c>.
    /// </summary>
    /// <exception cref="ArgumentException">The number is not finite and &gt; 0, or another clip is set.</exception>
    public double? GlobalClipNorm
    {
        get => _globalClipNorm;
        init => _globalClipNorm.Value = value;
    }

    /// <summary>Whether an exponential moving average (EMA) of each variable is kept. The default is false. Keras: <c>use_ema</c>.</summary>
    public bool UseEma
    {
        get => _useEma;
        init => _useEma.Value = value;
    }

    /// <summary>
    /// The momentum of the moving averages, in [0, 1]: average ← momentum · average + (1 − momentum) · w. The default is 0.99.
    /// Keras: <c>ema_momentum</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is outside its range.</exception>
    public double EmaMomentum
    {
        get => _emaMomentum;
        init => _emaMomentum.Value = value;
    }

    /// <summary>
    /// The number of updates, ≥ 1, after which the averages overwrite the variables each time; null, the default, for never.
    /// Keras: <c>ema_overwrite_frequency</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is less than 1.</exception>
    public int? EmaOverwriteFrequency
    {
        get => _emaOverwriteFrequency;
        init => _emaOverwriteFrequency.Value = value;
    }

    /// <summary>
    /// A fixed loss scale: <see cref="ScaleLoss(double)"/> multiplies losses by it and <c>Apply</c> divides gradients by it, so that 16-bit
    /// gradients do not underflow. Any finite number except 0; null, the default, for no scale. A <see cref="LossScaleOptimizer"/> around
    /// this optimizer clears it. Keras: <c>loss_scale_factor</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is 0 or not finite.</exception>
    public double? LossScaleFactor
    {
        get => _lossScaleFactor;
        init => _lossScaleFactor.Value = value;
    }

    /// <summary>
    /// The number of calls of Apply, ≥ 2, that together make one update from the mean of their gradients; null, the default, for one.
    /// Keras: <c>gradient_accumulation_steps</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is less than 2.</exception>
    public int? GradientAccumulationSteps
    {
        get => _gradientAccumulationSteps;
        init => _gradientAccumulationSteps.Value = value;
    }

    /// <summary>
    /// Whether each <see cref="Half"/> and <see cref="BFloat16"/> variable has master weights: a float copy among the optimizer's
    /// <see cref="Variables"/> (4 bytes per element). The copy is stepped, and the variable is the copy rounded to nearest, so steps that are
    /// too small for 16 bits accumulate. The default is false. Variables of other types need no copy. Keras has no such setting.
    /// </summary>
    /// <remarks>
    /// At Build the copy has the values of the variable. The variable takes precedence: if an element is assigned from outside, so that it no
    /// longer equals the rounded copy, the next step starts from the element's new value.
    /// </remarks>
    public bool UseMasterWeights
    {
        get => _useMasterWeights;
        init => _useMasterWeights.Value = value;
    }

    /// <summary>
    /// Whether steps round <see cref="Half"/> and <see cref="BFloat16"/> variables up or down at random, so that the mean is the
    /// unrounded value. Steps that are too small for 16 bits accumulate, without the memory of master weights. Cannot be combined with
    /// <see cref="UseMasterWeights"/>. The default is false: round to nearest. Keras has no such setting.
    /// </summary>
    /// <remarks>
    /// The random bits depend only on <see cref="RoundingSeed"/>, the stored iteration, the variable's path and the element. They do not depend
    /// on threads, vector widths or the order of the variables, and a resumed run continues with the same bits.
    /// </remarks>
    public bool UseStochasticRounding
    {
        get => _useStochasticRounding;
        init => _useStochasticRounding.Value = value;
    }

    /// <summary>Chooses the random bits of <see cref="UseStochasticRounding"/>: any integer. The default is 0.</summary>
    public int RoundingSeed
    {
        get => _roundingSeed;
        init => _roundingSeed.Value = value;
    }

    /// <summary>
    /// How the slots of variables with at least <see cref="ByteStorageMinimum"/> elements are kept; the default is
    /// <see cref="SlotStorage.Full"/>. Variables of doubles always have full slots. Keras has no such setting, and its files no place for
    /// codes of one byte: <see cref="TakeStateOf"/> makes full state of them.
    /// </summary>
    /// <remarks>
    /// The random bits of the rounding depend on the stored iteration, the variable's path and the element alone: neither on threads,
    /// vector widths nor the order of the variables, and a run that is loaded goes on with the same ones.
    /// </remarks>
    public SlotStorage SlotStorage
    {
        get => _slotStorage.Value ? SlotStorage.Byte : SlotStorage.Full;
        init => _slotStorage.Value = value == SlotStorage.Byte;
    }

    /// <summary>Variables with fewer elements keep full slots: ≥ 1; the default is 4096. Small tensors, such as biases, are worth it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is less than 1.</exception>
    public int ByteStorageMinimum
    {
        get => _byteStorageMinimum;
        init => _byteStorageMinimum.Value = value;
    }

    /// <summary>
    /// The maximum number of threads for a large step, including the calling thread: ≥ 1; the default is the number of processors. The
    /// result does not depend on it. All optimizers share the helper threads; small steps stay on the calling thread. This setting describes
    /// the machine, not the training, so it is not in the config.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is less than 1.</exception>
    public int MaxDegreeOfParallelism
    {
        get => _maxDegreeOfParallelism;
        init => _maxDegreeOfParallelism = Check.AtLeast(1, value, nameof(MaxDegreeOfParallelism));
    }

    /// <inheritdoc/>
    public override LearningRate LearningRate
    {
        get => _learningRate.Value is null ? _learningRate : HeldRate;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            if (value.Value is not { } number)
            {
                _learningRate = value;
                ForgetVariables();
                return;
            }

            if (_learningRate.Value is null)
            {
                throw new InvalidOperationException(
                    $"{Name}: the learning rate is a {(_learningRate.Schedule is null ? "function" : "schedule")}, so it cannot be set to "
                    + $"the number {number}. Give the constructor a number if the rate is to be set.");
            }

            HeldRate = number;
        }
    }

    /// <summary>Whether a function gives the learning rate.</summary>
    private protected bool HasRateFunction => _learningRate.Function is not null;

    /// <inheritdoc/>
    public override double CurrentLearningRate => Evaluate(_learningRate, HeldRate);

    /// <inheritdoc/>
    public override long Iterations => Counter / (GradientAccumulationSteps ?? 1);

    // Each rank makes one of so many calls at the same time; what depends on the call goes by the last of them.
    int Stride => _world?.Size ?? 1;

    long LastCall => Counter + Stride - 1;

    internal override int PendingCalls => (int)(Counter % (GradientAccumulationSteps ?? 1));

    /// <inheritdoc/>
    public override double ScaleLoss(double loss) => LossScaleFactor is { } scale ? loss * scale : loss;

    /// <inheritdoc/>
    public override float ScaleLoss(float loss) => LossScaleFactor is { } scale ? loss * (float)scale : loss;

    internal override IReadOnlyList<RuleOptimizer> Steppers => [this];

    /// <summary>Declares the slots, once, when the optimizer is built.</summary>
    /// <param name="slots">Where to declare them.</param>
    protected abstract void DefineSlots(Slots slots);

    /// <summary>
    /// Forms the coefficients of this update in the type of the lanes and gives the rule to the context. Called once for each group of
    /// variables and type, float (also for 16-bit variables) or double. If it throws, nothing has changed. Keras: <c>update_step</c>.
    /// </summary>
    /// <typeparam name="L">Lanes of one width and type.</typeparam>
    /// <param name="context">What is known of this update, and where the rule goes.</param>
    protected abstract void UpdateStep<L>(RuleContext<L> context)
        where L : struct, ILane<L>;

    Action<RuleContext<L>> IRuleSource.UpdateIn<L>() => UpdateStep;

    internal override void LeaveScaling()
    {
        SetLossScaleFactor(null);
        _dropsPlaceholders = true;
    }

    /// <summary>Sets what losses are multiplied by, for a <see cref="MultiOptimizer"/>.</summary>
    internal void SetLossScaleFactor(double? factor) => _lossScaleFactor.Value = factor;

    double Evaluate(LearningRate learningRate, double held)
    {
        double rate = learningRate.Schedule?.At(LastCall) ?? learningRate.Function?.Invoke() ?? held;
        return double.IsFinite(rate)
            ? rate
            : throw new InvalidOperationException($"{Name}: the learning rate at step {Counter} is {rate}; it must be finite.");
    }

    static Func<double?, double?> CheckClip(string setting, Func<double?> other) => value =>
    {
        if (value is not { } limit)
            return null;
        return other() is null
            ? NumberRange.Positive.Check(limit, setting)
            : throw new ArgumentException($"Only one of ClipNorm, ClipValue and GlobalClipNorm can be set: {setting} is the second.", setting);
    };
}
