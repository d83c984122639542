using System.Text.Json.Nodes;
using Infinorm.Execution;
using Infinorm.Execution.Memory;
using Infinorm.Execution.Sharded;
using Infinorm.Rules;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm;

public abstract partial class RuleOptimizer
{
    /// <summary>What a checkpoint calls the master weights.</summary>
    internal const string MasterSlot = "master";

    const string AverageSlot = "average", AccumulatorSlot = "gradient_accumulator", CodesSlot = "codes", ScalesSlot = "scales";

    Func<IExecutor>? _makeExecutor;
    IExecutor? _executor;
    World? _world;
    Variable[] _trainable = [];
    Dictionary<Variable, int> _indices = [];
    Grouping _grouping = Grouping.None;
    StepPlan[] _plans = [];
    Slots? _slots;
    IReadOnlyList<OwnedState> _states = [];
    Variable[]? _together; // what is stepped in the same calls; null for its own variables
    bool _dropsPlaceholders;

    /// <summary>One of the variables that the optimizer keeps.</summary>
    /// <param name="Kind">What it is: "momentum", "average".</param>
    /// <param name="Of">Whose it is; null for what the optimizer has once.</param>
    /// <param name="Values">Its elements.</param>
    readonly record struct OwnedState(string Kind, Variable? Of, Variable Values);

    /// <inheritdoc/>
    public override bool IsBuilt => _executor is not null;

    /// <inheritdoc/>
    public override IReadOnlyList<Variable> TrainableVariables => _trainable;

    internal override IReadOnlyList<VariableGroup> Groups => _grouping.Groups;

    internal override int GroupOf(int variable) => _grouping.GroupOf.Length == 0 ? 0 : _grouping.GroupOf[variable];

    internal override World? World => _world;

    private protected override void SetWorld(World world) => _world = world;

    internal override void UseExecutor(Func<IExecutor> make) => _makeExecutor = make;

    /// <summary>Says which variables others step in the same calls, so that no gradient may lie in their memory.</summary>
    internal void KeepOff(Variable[] variables) => _together = variables;

    internal override void BuildAt(ReadOnlySpan<Variable> variables, Grouping grouping, string? scope)
    {
        if (IsBuilt)
        {
            if (!variables.SequenceEqual(_trainable))
                throw new InvalidOperationException($"{Name} is built for other variables. Make a new optimizer for new variables.");
            return;
        }

        if (UseMasterWeights && UseStochasticRounding)
        {
            throw new InvalidOperationException(
                $"{Name}: UseMasterWeights and UseStochasticRounding exclude each other, as a variable with master weights loses nothing "
                + "when it is rounded to nearest. Set one of them.");
        }

        CheckSettings();
        CheckTrainable(Name, variables);
        var decays = new bool[variables.Length];
        for (int i = 0; i < variables.Length; i++)
            decays[i] = !IsExcludedFromWeightDecay(variables[i]);
        BuildAt(variables.ToArray(), decays, grouping, MakeExecutor(), scope + Name,
            placeholderScope: scope is null ? "" : $"{scope}{Name}/");
    }

    void BuildAt(Variable[] variables, bool[] decays, Grouping grouping, IExecutor executor, string path, string placeholderScope)
    {
        var slots = new Slots(Name);
        DefineSlots(slots);
        slots.Close();
        if (SlotStorage == SlotStorage.Byte)
            slots.RequireBytes();
        foreach (ScalarState scalar in slots.Scalars)
            scalar.Allocate(isDouble: variables[0].DType == DType.Float64);
        executor.Build(new BuildRequest
        {
            Variables = variables,
            Together = _together ?? variables,
            Decays = decays,
            OwnDecays = [.. variables.Select((variable, i) => GroupDecays(i) ? null : OwnDecayOf(variable))],
            GroupOf = grouping.GroupOf.Length == 0 ? new int[variables.Length] : grouping.GroupOf,
            Slots = slots,
            HasAverages = UseEma,
            HasAccumulators = GradientAccumulationSteps is not null,
            HasMasterWeights = UseMasterWeights,
            RoundsAtRandom = UseStochasticRounding,
            NeedsWholeVariables = _world is not null && NeedsWholeVariables(slots, variables),
            ByteStorageMinimum = SlotStorage == SlotStorage.Byte ? ByteStorageMinimum : null,
        });
        IReadOnlyList<OwnedState> states = [.. ListStates(variables, slots, executor, path, placeholderScope)];

        // Nothing threw: from here on it is built.
        _trainable = variables;
        _indices = variables.Select((variable, i) => KeyValuePair.Create(variable, i)).ToDictionary();
        _decays = decays;
        _grouping = grouping;
        _plans = new StepPlan[grouping.Groups.Length];
        _slots = slots;
        _states = states;
        _executor = executor;
        ForgetVariables();

        // What a group says of its variables comes before what the optimizer does.
        bool GroupDecays(int variable) =>
            grouping.GroupOf.Length > 0 && grouping.Groups[grouping.GroupOf[variable]].WeightDecay is not null;
    }

    IExecutor MakeExecutor()
    {
        if (_world is null)
            return _makeExecutor?.Invoke() ?? new MemoryExecutor(MaxDegreeOfParallelism);
        if (_makeExecutor is not null)
            throw new NotSupportedException($"{Name}: ranks divide variables in memory, not tensors of a device.");
        JsonObject config = GetConfig();
        (config["config"] as JsonObject)?.Remove("name"); // which is numbered in each process
        return new ShardedExecutor(
            _world, $"settings {config.ToJsonString()}, FloatX {FloatX}", GradientAccumulationSteps ?? 1, Math.Min(MaxDegreeOfParallelism, _world.ThreadsPerRank));
    }

    bool NeedsWholeVariables(Slots slots, Variable[] variables)
    {
        var probe = new RuleProbe(slots);
        try
        {
            _trainable = variables; // an optimizer may look at them when it is asked
            probe.Ask(this, new StepPlan { LearningRate = CurrentLearningRate, Iterations = Iterations }, doubles: variables[0].DType == DType.Float64);
        }
        finally
        {
            _trainable = [];
            slots.DropScalars();
        }

        return probe.NeedsWholeVariables;
    }

    internal override void Unbuild()
    {
        _executor = null;
        _together = null;
        _trainable = [];
        _slots = null;
        _states = [];
        _ordered = [];
        ForgetVariables();
    }

    /// <exception cref="ArgumentException">There is no variable, one occurs twice, or one cannot be trained.</exception>
    internal static void CheckTrainable(string optimizer, ReadOnlySpan<Variable> variables)
    {
        if (variables.IsEmpty)
            throw new ArgumentException($"{optimizer}: there are no variables to train.");
        var seen = new HashSet<Variable>();
        var paths = new HashSet<string>();
        foreach (Variable variable in variables)
        {
            ArgumentNullException.ThrowIfNull(variable);
            if (!variable.DType.IsFloating())
                throw new ArgumentException($"{variable.Path}: a variable of type {variable.DType.KerasName()} cannot be trained.");
            if (!seen.Add(variable))
                throw new ArgumentException($"{variable.Path}: the variable is listed twice.");
            if (!paths.Add(variable.Path))
                throw new ArgumentException($"{variable.Path}: two variables have this path, by which the state is saved.");
            variable.Constraint?.Validate(variable.Path, variable.Shape);
        }
    }

    // In Keras's order: averages, accumulators, each group of slots by variable, single numbers; then the master weights.
    IEnumerable<OwnedState> ListStates(Variable[] variables, Slots slots, IExecutor executor, string path, string placeholderScope)
    {
        return
        [
            .. OfAll(StateKind.Average, [(AverageSlot, 0)]),
            .. OfAll(StateKind.Accumulator, [(AccumulatorSlot, 0)]),
            .. slots.Declared.Select((slot, number) => (slot.Spec.Name, number, slot.Group)).GroupBy(slot => slot.Group)
                .SelectMany(group => OfAll(StateKind.Slot, [.. group.Select(slot => (slot.Name, slot.number))])),
            .. slots.Scalars.Select(scalar => new OwnedState(scalar.Name, null, ViewOf(scalar, $"{path}/{scalar.Name}"))),
            .. OfAll(StateKind.MasterWeights, [(MasterSlot, 0)]),
        ];

        IEnumerable<OwnedState> OfAll(StateKind kind, (string Name, int Number)[] slotsOfKind)
        {
            for (int i = 0; i < variables.Length; i++)
            {
                foreach (var (name, number) in slotsOfKind)
                {
                    SlotForm? form = kind == StateKind.Slot ? slots.Declared[number].Spec.FormOf?.Invoke(variables[i].Path, variables[i].Shape) : null;
                    if (form is { IsPlaceholder: true })
                    {
                        if (!_dropsPlaceholders)
                            yield return new OwnedState(name, variables[i], new Variable<int>(placeholderScope + form.Name, new int[1], ReadOnlySpan<int>.Empty));
                        continue;
                    }

                    string own = form?.Name is { } ownName ? $"{path}/{ownName}" : $"{path}/{variables[i].Path.Replace('/', '_')}_{name}";
                    if (kind == StateKind.Slot && executor.View(i, StateKind.SlotScales, number, $"{own}_{ScalesSlot}") is { } scales)
                    {
                        yield return new OwnedState($"{name}_{CodesSlot}", variables[i], executor.View(i, kind, number, $"{own}_{CodesSlot}")!);
                        yield return new OwnedState($"{name}_{ScalesSlot}", variables[i], scales);
                    }
                    else if (executor.View(i, kind, number, own) is { } view)
                        yield return new OwnedState(name, variables[i], view);
                }
            }
        }
    }

    static Variable ViewOf(ScalarState scalar, string path) => scalar.Values is float[] single
        ? new Variable<float>(path, single, ReadOnlySpan<int>.Empty)
        : new Variable<double>(path, (double[])scalar.Values, ReadOnlySpan<int>.Empty);
}
