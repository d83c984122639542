using System.Text.RegularExpressions;
using Infinorm.Config;
using Infinorm.Execution;
using Infinorm.Schedules;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm;

/// <summary>
/// Steps some variables by one optimizer, others by another. Each keeps its own rate, counter, decay, clipping and averages; a global norm
/// is that of its own variables. Keras: <c>MultiOptimizer</c>.
/// </summary>
/// <remarks>An exact path wins over patterns; a pattern must match the whole path; what nothing matches goes to the default.</remarks>
public sealed partial class MultiOptimizer : Optimizer
{
    readonly Hyperparameter<double?> _lossScaleFactor;
    readonly Func<Variable, RuleOptimizer>? _optimizerOf;
    readonly List<Action<RuleOptimizer>> _settings = []; // of those that the function will give
    readonly Regex[] _expressions = [];
    UseFlag _use = new();
    World? _world;
    string[] _patterns = [];
    RuleOptimizer[] _inner = []; // the patterns' optimizers, then the default; in the order in which the function gives them
    Variable[] _trainable = [];
    Dictionary<Variable, int> _indices = [];
    int[][] _places = []; // of each inner optimizer, the numbers of its variables
    Gradient[][] _gradients = [];
    Gradient[] _ordered = [];
    bool[] _isListed = [];

    /// <summary>Divides variables among optimizers by their paths.</summary>
    /// <param name="defaultOptimizer">Steps what no key matches.</param>
    /// <param name="optimizers">By path, or by a regular expression that matches the whole path. Keras: <c>optimizer_map</c>.</param>
    /// <exception cref="ArgumentException">
    /// A key or an optimizer occurs twice, an optimizer is built, a key is no regular expression, or the optimizers differ in <see cref="Optimizer.FloatX"/>.
    /// </exception>
    public MultiOptimizer(RuleOptimizer defaultOptimizer, IEnumerable<KeyValuePair<string, RuleOptimizer>>? optimizers = null)
        : this()
    {
        ArgumentNullException.ThrowIfNull(defaultOptimizer);
        KeyValuePair<string, RuleOptimizer>[] map = [.. optimizers ?? []];
        _patterns = [.. map.Select(item => item.Key)];
        if (_patterns.GroupBy(pattern => pattern).FirstOrDefault(same => same.Count() > 1) is { } twice)
            throw new ArgumentException($"\"{twice.Key}\" is the key of {twice.Count()} optimizers; each key has one.", nameof(optimizers));
        _expressions = Array.ConvertAll(_patterns, Whole);
        Adopt([.. map.Select(item => item.Value), defaultOptimizer], nameof(optimizers));
    }

    /// <summary>Divides variables among optimizers by a function, as Keras's callable <c>optimizer_map</c>.</summary>
    /// <param name="optimizerOf">
    /// Asked for each variable when this is built. It gives the same optimizer for variables that are to share one, and is called again
    /// where building failed. <see cref="Optimizer.GetConfig"/> then has the paths that each optimizer got, so a file can be loaded without it.
    /// </param>
    public MultiOptimizer(Func<Variable, RuleOptimizer> optimizerOf)
        : this()
    {
        ArgumentNullException.ThrowIfNull(optimizerOf);
        _optimizerOf = optimizerOf;
    }

    MultiOptimizer()
        : base(0) => _lossScaleFactor = Hyperparameters.OptionalNumber("loss_scale_factor", null, NumberRange.NotZero, nameof(LossScaleFactor));

    /// <summary>
    /// The inner optimizers: those of the patterns, in order, then the default. With a function, those that it returned, once this is built.
    /// </summary>
    public IReadOnlyList<RuleOptimizer> Optimizers => _inner;

    /// <summary>
    /// The factor by which losses are multiplied and gradients divided; null, the default, for none. It replaces the factor of every inner
    /// optimizer, even if it is null. Keras: <c>loss_scale_factor</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is 0 or not finite.</exception>
    public double? LossScaleFactor
    {
        get => _lossScaleFactor;
        init
        {
            _lossScaleFactor.Value = value;
            Array.ForEach(_inner, inner => inner.SetLossScaleFactor(value));
        }
    }

    /// <inheritdoc/>
    public override bool IsBuilt => _trainable.Length > 0;

    /// <inheritdoc/>
    public override IReadOnlyList<Variable> TrainableVariables => _trainable;

    /// <inheritdoc/>
    public override IReadOnlyList<Variable> Variables => [.. CounterAndRate(hasRate: true), .. _inner.SelectMany(inner => inner.Variables)];

    /// <inheritdoc/>
    public override long Iterations => Counter;

    /// <summary>Not available: each of <see cref="Optimizers"/> has its own.</summary>
    /// <exception cref="InvalidOperationException">Always.</exception>
    public override LearningRate LearningRate
    {
        get => throw NoRate();
        set => throw NoRate();
    }

    /// <inheritdoc cref="LearningRate"/>
    public override double CurrentLearningRate => throw NoRate();

    /// <inheritdoc/>
    public override double ScaleLoss(double loss) => LossScaleFactor is { } scale ? loss * scale : loss;

    /// <inheritdoc/>
    public override float ScaleLoss(float loss) => LossScaleFactor is { } scale ? loss * (float)scale : loss;

    /// <summary>Keeps variables out of every inner optimizer's weight decay. In Keras this call has no effect.</summary>
    /// <inheritdoc/>
    public override void ExcludeFromWeightDecay(IEnumerable<Variable>? variables = null, IEnumerable<string>? names = null)
    {
        Variable[] excluded = [.. variables ?? []];
        string[] patterns = [.. names ?? []];
        SetAll(inner => inner.ExcludeFromWeightDecay(excluded, patterns));
    }

    /// <inheritdoc/>
    public override void FinalizeVariableValues()
    {
        using var _ = Enter();
        foreach (RuleOptimizer inner in _inner.Where(inner => inner.UseEma && (inner.IsBuilt || !IsBuilt)).OrderBy(inner => inner.HasAverages))
            inner.FinalizeVariableValues(); // first those that refuse
    }

    /// <inheritdoc/>
    public override IDisposable UseAverages()
    {
        if (!_inner.Any(inner => inner.UseEma))
            throw new InvalidOperationException($"{Name} keeps no averages: UseEma is off in all its optimizers.");
        var inUse = new AveragesInUse(Enter());
        try
        {
            foreach (RuleOptimizer inner in Built.Where(inner => inner.UseEma))
                inUse.Parts.Push(inner.UseAverages());
            return inUse;
        }
        catch
        {
            inUse.Dispose();
            throw;
        }
    }

    /// <summary>The class, name, and the inner optimizers.</summary>
    public override string ToString() => $"{GetType().Name} \"{Name}\" of {string.Join("; ", _inner.Select(inner => inner.ToString()))}";

    internal override IReadOnlyList<RuleOptimizer> Steppers => _inner;

    internal override bool HasAverages => _inner.Any(inner => inner.HasAverages);

    internal override int PendingCalls => _inner.Select(inner => inner.PendingCalls).DefaultIfEmpty().Max();

    internal override bool ExcludesByName => _inner.Any(inner => inner.ExcludesByName);

    internal override void ExcludeAs(Optimizer other)
    {
        foreach ((RuleOptimizer inner, RuleOptimizer like) in _inner.Zip(((MultiOptimizer)other)._inner))
            inner.ExcludeAs(like);
    }

    internal override IEnumerable<Variable> WeightDecayExclusions => _inner.SelectMany(inner => inner.WeightDecayExclusions);

    internal override IReadOnlyList<VariableGroup> Groups => Grouping.None.Groups;

    internal override int GroupOf(int variable) => 0;

    internal override double CurrentRateOf(VariableGroup group) => throw NoRate();

    internal override IEnumerable<NdArray?> FirstValuesOfUntracked =>
        [null, null, .. _inner.SelectMany(inner => inner.FirstValuesOfUntracked)];

    internal override World? World => _world;

    private protected override void SetWorld(World world)
    {
        _world = world;
        SetAll(inner => inner.Over(world));
    }

    internal override void UseExecutor(Func<IExecutor> make) => SetAll(inner => inner.UseExecutor(make));

    internal override void LeaveScaling()
    {
        if (LossScaleFactor is not null)
            throw new ArgumentException($"{Name} scales losses itself; leave out its LossScaleFactor to scale them dynamically.");
        SetAll(inner => inner.LeaveScaling());
    }

    internal override void RequireWhole()
    {
        foreach (RuleOptimizer inner in _inner)
            inner.RequireWhole();
    }

    internal override void MarkRestored() => Array.ForEach(_inner, inner => inner.MarkRestored());

    internal override ExclusiveUse Enter() => _use.Enter(Name);

    internal override IEnumerable<StateTensor> State(string root) =>
    [
        .. CounterAndRate(hasRate: true).Select(variable => new StateTensor($"{root}/{variable.Name}", null, variable)),
        .. _inner.SelectMany((inner, i) => inner.State($"{root}/optimizers/{i}")),
    ];

    internal override void BuildAt(ReadOnlySpan<Variable> variables, Grouping grouping, string? scope)
    {
        if (IsBuilt)
        {
            if (!variables.SequenceEqual(_trainable))
                throw new InvalidOperationException($"{Name} is built for other variables. Make a new optimizer for new variables.");
            return;
        }

        if (grouping.Groups.Length > 1 || grouping.Groups.Any(group => group.LearningRate is not null || group.WeightDecay is not null))
            throw new InvalidOperationException($"{Name} divides variables itself; give an optimizer to each group, not a rate.");
        RuleOptimizer.CheckTrainable(Name, variables);
        Variable[] all = variables.ToArray();
        int[] owners = _optimizerOf is null ? Array.ConvertAll(all, OwnerOf) : AskForOwners(all);
        try
        {
            int[][] places = [.. _inner.Select((_, i) => Enumerable.Range(0, all.Length).Where(v => owners[v] == i).ToArray())];
            RequireRanksToAgree(all, owners, places);
            for (int i = 0; i < _inner.Length; i++)
            {
                _inner[i].KeepOff(all);
                if (places[i].Length > 0)
                    _inner[i].BuildAt(Array.ConvertAll(places[i], v => all[v]), Grouping.None, scope: null);
            }

            if (_optimizerOf is not null)
                _patterns = [.. places[..^1].Select(part => string.Join('|', part.Select(v => Regex.Escape(all[v].Path))))];
            Use(all, places);
        }
        catch
        {
            Unbuild();
            throw;
        }
    }

    internal override void Unbuild()
    {
        Array.ForEach(_inner, inner => inner.Unbuild());
        if (_optimizerOf is not null)
            (_inner, _patterns) = ([], []);
        Use([], []);
    }

    internal override ReadOnlySpan<Gradient> Ordered(ReadOnlySpan<Gradient> gradients, ReadOnlySpan<Variable> variables)
    {
        if (variables.SequenceEqual(_trainable))
            return gradients;
        if (variables.Length != _trainable.Length)
        {
            throw new ArgumentException(
                $"{Name}: {variables.Length} variables, the optimizer was built for {_trainable.Length}; it takes all.", nameof(variables));
        }

        Array.Clear(_isListed);
        for (int i = 0; i < variables.Length; i++)
        {
            ArgumentNullException.ThrowIfNull(variables[i]);
            if (!_indices.TryGetValue(variables[i], out int index) || _isListed[index])
                throw new ArgumentException($"{variables[i].Path}: the variable is unknown to {Name} or listed twice.", nameof(variables));
            _isListed[index] = true;
            _ordered[index] = gradients[i];
        }

        return _ordered;
    }

    // Before the first of them is built.
    void RequireRanksToAgree(Variable[] variables, int[] owners, int[][] places)
    {
        if (_world is null)
            return;
        _world.RequireSame(Name, [.. variables.Select((variable, i) => $"variable {i}: {variable}, "
            + $"{_inner[owners[i]].GradientAccumulationSteps ?? 1} batches an update, stepped by optimizer {owners[i]}")]);
        RuleOptimizer[] used = [.. _inner.Where((_, i) => places[i].Length > 0)];
        foreach (RuleOptimizer inner in used)
        {
            _world.RequireDivisible(inner.Name, inner.GradientAccumulationSteps ?? 1);
            if (inner.GradientAccumulationSteps != used[0].GradientAccumulationSteps)
            {
                throw new InvalidOperationException(
                    $"{Name}: over ranks, all its optimizers make an update of the same number of batches; GradientAccumulationSteps of {used[0].Name} "
                    + $"is {used[0].GradientAccumulationSteps?.ToString() ?? "not set"}, of {inner.Name} {inner.GradientAccumulationSteps?.ToString() ?? "not set"}.");
            }
        }
    }

    // All of them check and decide before the first steps, so that one that refuses or has to skip keeps the others from stepping.
    internal override StepInfo Advance(ReadOnlySpan<Gradient> gradients, double? dynamicScale)
    {
        long start = StepMeter.Start();
        RequireWhole();
        for (int i = 0; i < _inner.Length; i++)
        {
            for (int j = 0; j < _places[i].Length; j++)
                _gradients[i][j] = gradients[_places[i][j]];
            if (_inner[i].IsBuilt)
                _inner[i].Prepare(_gradients[i], dynamicScale);
        }

        bool isMade = ReduceAll();
        StepInfo info = default;
        int missing = 0;
        bool any = false;
        foreach (RuleOptimizer inner in _inner)
        {
            if (!inner.IsBuilt)
                continue;
            StepInfo part = isMade ? inner.Carry() : inner.Skip();
            info = any && info.Result <= part.Result ? info : part; // the first that did most
            any = true;
            missing += part.MissingGradients;
        }

        if (isMade)
            Counter += _world?.Size ?? 1;
        else if (_world is not null)
            DropUpdate();
        info = info with { MissingGradients = missing, GradientNorm = null, ClipFactor = null };
        StepMeter.Record(this, start, in info, dynamicScale ?? LossScaleFactor);
        return info;
    }

    internal override void DropUpdate()
    {
        foreach (RuleOptimizer inner in Built)
            inner.DropUpdate();
        Counter -= Counter % _world!.BatchesPerUpdate;
    }

    bool ReduceAll()
    {
        bool isMade = true;
        try
        {
            foreach (RuleOptimizer inner in _inner)
                isMade &= !inner.IsBuilt || inner.Reduce();
        }
        catch (ArgumentException) when (_world is not null)
        {
            // One of them has no gradient in any batch: the others drop the batches with it.
            DropUpdate();
            throw;
        }

        return isMade;
    }

    internal override Optimizer CloneFor(Variable[] copies)
    {
        var clone = (MultiOptimizer)CloneSelf();
        clone._use = new UseFlag();
        clone._inner =
        [
            .. _inner.Select((inner, i) => inner.IsBuilt
                ? (RuleOptimizer)inner.CloneFor(Array.ConvertAll(_places[i], place => copies[place]))
                : inner.CloneUnbuilt()),
        ];
        clone.Use(copies, _places);
        return clone;
    }

    internal override void SetFloatX(DType floatX)
    {
        base.SetFloatX(floatX);
        SetAll(inner => inner.SetFloatX(floatX));
    }

    IEnumerable<RuleOptimizer> Built => _inner.Where(inner => inner.IsBuilt);

    // Also those that a function will give.
    void SetAll(Action<RuleOptimizer> set)
    {
        Array.ForEach(_inner, set);
        if (_optimizerOf is not null && !IsBuilt)
            _settings.Add(set);
    }

    void Use(Variable[] variables, int[][] places)
    {
        _trainable = variables;
        _indices = variables.Select((variable, i) => KeyValuePair.Create(variable, i)).ToDictionary();
        _places = places;
        _gradients = [.. places.Select(part => new Gradient[part.Length])];
        _ordered = new Gradient[variables.Length];
        _isListed = new bool[variables.Length];
    }

    InvalidOperationException NoRate() => new($"{Name} has no learning rate; its Optimizers have one each.");

    sealed class AveragesInUse(ExclusiveUse use) : IDisposable
    {
        bool _disposed;

        public Stack<IDisposable> Parts { get; } = [];

        public void Dispose()
        {
            if (_disposed)
                return;
            _disposed = true;
            try
            {
                while (Parts.TryPop(out IDisposable? part))
                    part.Dispose();
            }
            finally
            {
                use.Dispose();
            }
        }
    }
}
