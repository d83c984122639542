using System.Collections.Concurrent;
using System.Text;
using Infinorm.Kernels;
using Infinorm.Pipeline;

namespace Infinorm;

/// <summary>
/// What all optimizers share, as in Keras's <c>Optimizer</c>: settings, counters, and the order of stages around the rule. A subclass
/// names its slots, writes its rule, and adds its settings to the config.
/// </summary>
/// <remarks>
/// An optimizer is used by one thread at a time: a second one gets an <see cref="InvalidOperationException"/>. It keeps a reference to
/// the gradients of the last call, so that the same memory need not be checked again.
/// </remarks>
public abstract partial class Optimizer : IUpdateStep
{
    static readonly ConcurrentDictionary<string, int> AutoNames = new();

    long[] _iteration = new long[1];
    readonly OptimizerSettings _settings;
    LearningRate _learningRate;
    Array _rate;
    DType _floatX = DType.Float32;
    string? _name;

    /// <summary>Initialises what all optimizers share.</summary>
    /// <param name="learningRate">A number, a schedule or a function.</param>
    protected Optimizer(LearningRate learningRate)
        : this(learningRate, new OptimizerSettings())
    {
    }

    private protected Optimizer(LearningRate learningRate, OptimizerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(learningRate);
        _settings = settings;
        _learningRate = learningRate;
        _rate = ToRate(learningRate.Number ?? 0);
    }

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
    /// Decoupled weight decay: before each update w ← w − w · decay · rate. Any finite number; null, the default, for none.
    /// Keras: <c>weight_decay</c>.
    /// </summary>
    public double? WeightDecay
    {
        get => _settings.WeightDecay;
        init => _settings.WeightDecay = value;
    }

    /// <summary>
    /// The norm to which each gradient by itself is clipped: &gt; 0; null, the default, for none. At most one of the three clips may be
    /// set. Keras: <c>clipnorm</c>.
    /// </summary>
    public double? ClipNorm
    {
        get => _settings.ClipNorm;
        init => _settings.ClipNorm = value;
    }

    /// <summary>
    /// The bound to which each element of a gradient is clipped: &gt; 0; null, the default, for none. Keras: <c>clipvalue</c>.
    /// </summary>
    public double? ClipValue
    {
        get => _settings.ClipValue;
        init => _settings.ClipValue = value;
    }

    /// <summary>
    /// The norm to which all gradients together are clipped: &gt; 0; null, the default, for none. Keras: <c>global_clipnorm</c>.
    /// </summary>
    public double? GlobalClipNorm
    {
        get => _settings.GlobalClipNorm;
        init => _settings.GlobalClipNorm = value;
    }

    /// <summary>Whether a moving average of each variable is kept. The default is false. Keras: <c>use_ema</c>.</summary>
    public bool UseEma
    {
        get => _settings.UseEma;
        init => _settings.UseEma = value;
    }

    /// <summary>
    /// Momentum of the moving averages, in [0, 1]: average ← momentum · average + (1 − momentum) · w. The default is 0.99.
    /// Keras: <c>ema_momentum</c>.
    /// </summary>
    public double EmaMomentum
    {
        get => _settings.EmaMomentum;
        init => _settings.EmaMomentum = value;
    }

    /// <summary>
    /// After how many updates, ≥ 1, the averages overwrite the variables again and again; null, the default, for never.
    /// Keras: <c>ema_overwrite_frequency</c>.
    /// </summary>
    public int? EmaOverwriteFrequency
    {
        get => _settings.EmaOverwriteFrequency;
        init => _settings.EmaOverwriteFrequency = value;
    }

    /// <summary>
    /// What losses are multiplied by (<see cref="ScaleLoss(double)"/>) and gradients divided by, so that 16-bit gradients do not
    /// underflow: any finite number but 0; null, the default, for nothing. A <see cref="LossScaleOptimizer"/> around this optimizer
    /// clears it. Keras: <c>loss_scale_factor</c>.
    /// </summary>
    public double? LossScaleFactor
    {
        get => _settings.LossScaleFactor;
        init => _settings.LossScaleFactor = value;
    }

    /// <summary>
    /// How many calls of Apply make one update with the mean of their gradients: ≥ 2; null, the default, for one.
    /// Keras: <c>gradient_accumulation_steps</c>.
    /// </summary>
    public int? GradientAccumulationSteps
    {
        get => _settings.GradientAccumulationSteps;
        init => _settings.GradientAccumulationSteps = value;
    }

    /// <summary>
    /// How many threads a large step uses at most, the calling one included: ≥ 1; the default is all processors of this process. The
    /// result does not depend on it. Helpers are shared by all optimizers; small steps stay on the calling thread.
    /// </summary>
    public int MaxDegreeOfParallelism
    {
        get => _settings.MaxDegreeOfParallelism;
        init => _settings.MaxDegreeOfParallelism = value;
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
    public virtual LearningRate LearningRate
    {
        get => _learningRate.Number is null ? _learningRate : HeldRate;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            if (value.Number is not { } number)
            {
                _learningRate = value;
                ForgetVariables();
                return;
            }

            if (_learningRate.Number is null)
            {
                throw new InvalidOperationException(
                    $"{Name}: the learning rate is a {(_learningRate.Schedule is null ? "function" : "schedule")}, so it cannot be set to "
                    + $"the number {number}. Give the constructor a number if the rate is to be set.");
            }

            ToRate(number).CopyTo(_rate, 0);
        }
    }

    /// <summary>The number in force for the next step: the schedule at the counter, or what the function returns.</summary>
    /// <exception cref="InvalidOperationException">The schedule or function gives NaN or infinity.</exception>
    public virtual double CurrentLearningRate => At(_learningRate, HeldRate);

    /// <summary>Completed updates: the counter, divided by the accumulation steps. Keras: <c>iterations</c>.</summary>
    public virtual long Iterations => Counter / (GradientAccumulationSteps ?? 1);

    /// <summary>Calls of Apply that were not skipped; Keras's stored <c>iteration</c>.</summary>
    private protected ref long Counter => ref _iteration[0];

    double At(LearningRate learningRate, double held)
    {
        double rate = learningRate.Schedule?.At(Counter) ?? learningRate.Function?.Invoke() ?? held;
        return double.IsFinite(rate)
            ? rate
            : throw new InvalidOperationException($"{Name}: the learning rate at step {Counter} is {rate}; it must be finite.");
    }

    double HeldRate => _rate is float[] single ? single[0] : ((double[])_rate)[0];

    /// <summary>The loss to differentiate, so that gradients arrive multiplied by the loss scale. Keras: <c>scale_loss</c>.</summary>
    /// <param name="loss">The loss.</param>
    /// <returns>The loss times <see cref="LossScaleFactor"/>, or the loss where there is none.</returns>
    public virtual double ScaleLoss(double loss) => LossScaleFactor is { } scale ? loss * scale : loss;

    /// <inheritdoc cref="ScaleLoss(double)"/>
    public virtual float ScaleLoss(float loss) => LossScaleFactor is { } scale ? loss * (float)scale : loss;

    /// <summary>Names the slots, once, when the optimizer is built; they are zero at first.</summary>
    /// <param name="slots">Where to add them.</param>
    protected abstract void Build(Slots slots);

    /// <summary>
    /// Forms the coefficients of this step in the type of the lanes and hands the rule to <see cref="Step{L}"/>. Called once for the
    /// float (and 16-bit) and once for the double variables. Keras: <c>update_step</c>.
    /// </summary>
    /// <typeparam name="L">Lanes of one width and type.</typeparam>
    /// <param name="step">The step.</param>
    protected abstract void UpdateStep<L>(Step<L> step)
        where L : struct, ILane<L>;

    void IUpdateStep.UpdateStep<L>(Step<L> step) => UpdateStep(step);

    internal void ClearLossScaleFactor() => _settings.LossScaleFactor = null;

    internal virtual void SetFloatX(DType floatX)
    {
        if (floatX is not (DType.Float32 or DType.Float64))
            throw new ArgumentOutOfRangeException(nameof(FloatX), floatX, "FloatX is Float32 or Float64.");
        _floatX = floatX;
        _rate = ToRate(_learningRate.Number ?? 0);
    }

    Array ToRate(double value)
    {
        if (_floatX == DType.Float64)
            return new[] { value };
        float rounded = (float)value;
        return float.IsFinite(rounded)
            ? new[] { rounded }
            : throw new ArgumentOutOfRangeException(nameof(LearningRate), value, "The learning rate does not fit into a float.");
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

    static string SnakeCase(string name)
    {
        var snake = new StringBuilder();
        for (int i = 0; i < name.Length; i++)
        {
            if (i > 0 && char.IsUpper(name[i]) && !char.IsUpper(name[i - 1]))
                snake.Append('_');
            snake.Append(char.ToLowerInvariant(name[i]));
        }

        return snake.ToString();
    }
}
