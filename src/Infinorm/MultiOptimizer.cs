using System.Text.Json.Nodes;
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
public sealed class MultiOptimizer : Optimizer
{
    readonly Hyperparameter<double?> _lossScaleFactor;
    readonly string[] _patterns;
    UseFlag _use = new();
    RuleOptimizer[] _inner; // the patterns' optimizers, then the default
    Variable[] _trainable = [];
    int[][] _places = []; // of each inner optimizer, the numbers of its variables
    Gradient[][] _gradients = [];
    Gradient[] _ordered = [];

    /// <summary>Divides variables among optimizers.</summary>
    /// <param name="defaultOptimizer">Steps what no key matches.</param>
    /// <param name="optimizers">By path, or by a regular expression that matches the whole path. Keras: <c>optimizer_map</c>.</param>
    /// <param name="lossScaleFactor">Set on every inner optimizer, also null. Keras: <c>loss_scale_factor</c>.</param>
    /// <exception cref="ArgumentException">An optimizer occurs twice or is built, or an expression is not regular.</exception>
    public MultiOptimizer(
        RuleOptimizer defaultOptimizer, IEnumerable<KeyValuePair<string, RuleOptimizer>>? optimizers = null, double? lossScaleFactor = null)
        : base(0)
    {
        ArgumentNullException.ThrowIfNull(defaultOptimizer);
        KeyValuePair<string, RuleOptimizer>[] map = [.. optimizers ?? []];
        _patterns = [.. map.Select(item => item.Key)];
        _inner = [.. map.Select(item => item.Value), defaultOptimizer];
        _lossScaleFactor = Hyperparameters.OptionalNumber("loss_scale_factor", lossScaleFactor, NumberRange.NotZero);
        foreach (string pattern in _patterns)
            _ = Whole(pattern);
        for (int i = 0; i < _inner.Length; i++)
        {
            ArgumentNullException.ThrowIfNull(_inner[i], nameof(optimizers));
            if (_inner[i].IsBuilt)
                throw new ArgumentException($"{_inner[i].Name} is built already; put it into a MultiOptimizer before.", nameof(optimizers));
            if (Array.IndexOf(_inner, _inner[i]) < i)
                throw new ArgumentException($"{_inner[i].Name} occurs twice; join its patterns, as a config would make two of it.", nameof(optimizers));
        }

        foreach (RuleOptimizer inner in _inner)
            inner.SetLossScaleFactor(lossScaleFactor);
        base.SetFloatX(defaultOptimizer.FloatX);
    }

    /// <summary>The inner optimizers: those of the patterns, in order, then the default.</summary>
    public IReadOnlyList<RuleOptimizer> Optimizers => _inner;

    /// <summary>What losses are multiplied by and gradients divided by; null for nothing.</summary>
    public double? LossScaleFactor => _lossScaleFactor;

    /// <inheritdoc/>
    public override bool IsBuilt => _trainable.Length > 0;

    /// <inheritdoc/>
    public override IReadOnlyList<Variable> TrainableVariables => _trainable;

    /// <inheritdoc/>
    public override IReadOnlyList<Variable> Variables => [.. CounterAndRate(hasRate: true), .. _inner.SelectMany(inner => inner.Variables)];

    /// <inheritdoc/>
    public override long Iterations => Counter;

    /// <summary>There is none: each of <see cref="Optimizers"/> has its own.</summary>
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
        foreach (RuleOptimizer inner in _inner)
            inner.ExcludeFromWeightDecay(excluded, patterns);
    }

    /// <inheritdoc/>
    public override void FinalizeVariableValues()
    {
        using var _ = Enter();
        foreach (RuleOptimizer inner in Built.Where(inner => inner.UseEma))
            inner.FinalizeVariableValues();
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

    internal override int PendingCalls => _inner.Max(inner => inner.PendingCalls);

    internal override bool ExcludesByName => _inner.Any(inner => inner.ExcludesByName);

    internal override IEnumerable<Variable> WeightDecayExclusions => _inner.SelectMany(inner => inner.WeightDecayExclusions);

    internal override IReadOnlyList<VariableGroup> Groups => Grouping.None.Groups;

    internal override int GroupOf(int variable) => 0;

    internal override double CurrentRateOf(VariableGroup group) => throw NoRate();

    internal override void RequireWhole() => Array.ForEach(_inner, inner => inner.RequireWhole());

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
        int[] owners = Array.ConvertAll(all, OwnerOf);
        try
        {
            int[][] places = [.. _inner.Select((_, i) => Enumerable.Range(0, all.Length).Where(v => owners[v] == i).ToArray())];
            for (int i = 0; i < _inner.Length; i++)
            {
                if (places[i].Length > 0)
                    _inner[i].BuildAt(Array.ConvertAll(places[i], v => all[v]), Grouping.None, scope: null);
            }

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

        var seen = new HashSet<Variable>();
        for (int i = 0; i < variables.Length; i++)
        {
            int index = Array.IndexOf(_trainable, variables[i]);
            if (index < 0 || !seen.Add(variables[i]))
                throw new ArgumentException($"{variables[i]?.Path}: the variable is unknown or listed twice.", nameof(variables));
            _ordered[index] = gradients[i];
        }

        return _ordered;
    }

    // All of them check and decide before the first steps.
    internal override StepInfo Advance(ReadOnlySpan<Gradient> gradients, double? dynamicScale)
    {
        long start = StepMeter.Start();
        for (int i = 0; i < _inner.Length; i++)
        {
            if (!_inner[i].IsBuilt)
                continue;
            for (int j = 0; j < _places[i].Length; j++)
                _gradients[i][j] = gradients[_places[i][j]];
            _inner[i].Prepare(_gradients[i], dynamicScale);
        }

        int missing = 0;
        StepInfo info = default;
        foreach (RuleOptimizer inner in Built)
        {
            StepInfo part = inner.Carry();
            missing += part.MissingGradients;
            info = info.Result == StepResult.Updated ? info : part;
        }

        Counter++;
        info = info with { MissingGradients = missing, GradientNorm = null, ClipFactor = null };
        StepMeter.Record(this, start, in info, LossScaleFactor);
        return info;
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
        Array.ForEach(_inner, inner => inner.SetFloatX(floatX));
    }

    private protected override void WriteConfig(JsonObject config)
    {
        var map = new JsonObject();
        for (int i = 0; i < _patterns.Length; i++)
            map[_patterns[i]] = _inner[i].GetConfig();
        config.Remove("name"); // in Keras's order
        config["optimizer_map"] = KerasObject.Wrap(
            KerasModule, MapClass, new JsonObject { ["default_optimizer"] = _inner[^1].GetConfig(), ["optimizer_map"] = map }, null);
        config["loss_scale_factor"] = null; // its place; the value is written with the hyperparameters
        config["name"] = Name;
    }

    internal static MultiOptimizer FromConfig(ConfigReader config)
    {
        JsonObject map = config.Object("optimizer_map")
            ?? throw new FormatException($"{config.ClassName}: config key 'optimizer_map' is missing.");
        MultiOptimizer optimizer = KerasObject.Read(MapClass, map).Create(reader => new MultiOptimizer(
            Inner(reader.Object("default_optimizer") ?? throw new FormatException($"{MapClass}: config key 'default_optimizer' is missing.")),
            (reader.Object("optimizer_map") ?? []).Select(item => KeyValuePair.Create(item.Key, Inner(item.Value as JsonObject ?? [])))));
        optimizer.ReadName(config);
        optimizer.Hyperparameters.Read(config);
        Array.ForEach(optimizer._inner, inner => inner.SetLossScaleFactor(optimizer.LossScaleFactor));
        return optimizer;

        RuleOptimizer Inner(JsonObject json) => FromConfig(json, DType.Float32) as RuleOptimizer
            ?? throw new FormatException($"{config.ClassName}: LossScaleOptimizer and MultiOptimizer cannot be inside of it.");
    }

    const string MapClass = "OptimizerMap";

    IEnumerable<RuleOptimizer> Built => _inner.Where(inner => inner.IsBuilt);

    static Regex Whole(string pattern) => new($@"\A(?:{pattern})\z", RegexOptions.CultureInvariant);

    int OwnerOf(Variable variable)
    {
        int exact = Array.IndexOf(_patterns, variable.Path);
        if (exact >= 0)
            return exact;
        int[] matching = [.. Enumerable.Range(0, _patterns.Length).Where(i => Whole(_patterns[i]).IsMatch(variable.Path))];
        return matching.Length < 2
            ? matching.FirstOrDefault(_patterns.Length)
            : throw new ArgumentException(
                $"{variable.Path}: {matching.Length} patterns of {Name} match it: {string.Join(", ", matching.Select(i => _patterns[i]))}.");
    }

    void Use(Variable[] variables, int[][] places)
    {
        _trainable = variables;
        _places = places;
        _gradients = [.. places.Select(part => new Gradient[part.Length])];
        _ordered = new Gradient[variables.Length];
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
