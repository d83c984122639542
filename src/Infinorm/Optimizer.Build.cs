using System.Buffers;
using Infinorm.Kernels;
using Infinorm.Pipeline;

namespace Infinorm;

public abstract unsafe partial class Optimizer
{
    Variable[] _trainable = [];
    Dictionary<Variable, int> _indices = [];
    IReadOnlyList<Variable> _slotVariables = [];
    IReadOnlyList<(string Slot, Variable Of)> _slotOwners = [];
    BlockPipeline? _pipeline;
    Arena? _arena;

    /// <summary>Whether <see cref="Build(ReadOnlySpan{Variable})"/> was called, by itself or by the first Apply with variables.</summary>
    public virtual bool IsBuilt => _pipeline is not null || _executor is { IsBuilt: true };

    /// <summary>The variables the optimizer was built for, in that order; empty before.</summary>
    public virtual IReadOnlyList<Variable> TrainableVariables => _trainable;

    /// <summary>
    /// Makes the optimizer's slots for these variables. A second call with the same variables does nothing. Keras: <c>build</c>.
    /// </summary>
    /// <param name="trainableVariables">Float variables, each once, over memory that does not overlap.</param>
    /// <exception cref="ArgumentException">There is none, one occurs twice, two overlap, or one is of an integer type.</exception>
    /// <exception cref="InvalidOperationException">
    /// The optimizer was built for other variables, or is set to use both master weights and stochastic rounding.
    /// </exception>
    public void Build(params ReadOnlySpan<Variable> trainableVariables) => BuildAt(trainableVariables, scope: "");

    /// <inheritdoc cref="Build(ReadOnlySpan{Variable})"/>
    public void Build(IEnumerable<Variable> trainableVariables) => BuildAt([.. trainableVariables], scope: "");

    /// <summary>Builds; the slots' paths begin with the scope and the optimizer's name.</summary>
    internal virtual void BuildAt(ReadOnlySpan<Variable> variables, string scope)
    {
        if (IsBuilt)
        {
            if (!variables.SequenceEqual(_trainable))
                throw new InvalidOperationException($"{Name} is built for other variables. Make a new optimizer for new variables.");
            return;
        }

        CheckNarrowSettings();
        CheckTrainable(variables);
        var slots = new Slots();
        Build(slots);
        var decays = new bool[variables.Length];
        for (int i = 0; i < variables.Length; i++)
            decays[i] = !IsExcludedFromWeightDecay(variables[i]);

        var needs = new SlotNeeds(slots.Names, UseEma, GradientAccumulationSteps is not null, UseMasterWeights);
        IReadOnlyList<NamedSlot>? made = _executor?.Build(
            variables, decays, _groupOf, needs, (of, name) => SlotPath(scope + Name, of, name));

        // Nothing threw: from here on it is built.
        _trainable = variables.ToArray();
        _indices = new Dictionary<Variable, int>(variables.Length);
        for (int i = 0; i < variables.Length; i++)
            _indices.Add(variables[i], i);
        _decays = decays;
        _plans = new StepPlan[_groups.Length];
        ForgetVariables();
        if (made is not null)
        {
            _slotVariables = [.. made.Select(slot => slot.Values)];
            _slotOwners = [.. made.Select(slot => (slot.Name, slot.Of))];
            return;
        }

        _pipeline = new BlockPipeline(MakeTargets(slots.Names.Count, decays), _groups.Length, MaxDegreeOfParallelism);
        NameSlots(slots.Names, scope + Name);
    }

    void CheckTrainable(ReadOnlySpan<Variable> variables)
    {
        if (variables.IsEmpty)
            throw new ArgumentException($"{Name}: there are no variables to train.");
        var seen = new HashSet<Variable>();
        foreach (Variable variable in variables)
        {
            ArgumentNullException.ThrowIfNull(variable);
            if (variable.DType is DType.Int32 or DType.Int64)
                throw new ArgumentException($"{variable.Path}: a variable of type {variable.DType.KerasName()} cannot be trained.");
            if (!seen.Add(variable))
                throw new ArgumentException($"{variable.Path}: the variable is listed twice.");
            variable.Constraint?.Validate(variable.Path, variable.Shape);
        }

        if (_executor is null) // which checks what it is given itself
            CheckDisjoint(variables);
    }

    // Sorted by address, only neighbours can overlap; pinned, addresses hold while they are compared.
    static void CheckDisjoint(ReadOnlySpan<Variable> variables)
    {
        var places = new List<(nint Start, nint End, Variable Variable)>();
        var pins = new List<MemoryHandle>();
        try
        {
            foreach (Variable variable in variables)
            {
                if (variable.Length == 0)
                    continue;
                pins.Add(variable.Pin());
                var start = (nint)pins[^1].Pointer;
                places.Add((start, start + ((nint)variable.Length * variable.DType.Size()), variable));
            }

            places.Sort((a, b) => a.Start.CompareTo(b.Start));
            for (int i = 1; i < places.Count; i++)
            {
                if (places[i].Start < places[i - 1].End)
                {
                    throw new ArgumentException(
                        $"{places[i].Variable.Path} and {places[i - 1].Variable.Path} overlap in memory; each variable needs its own.");
                }
            }
        }
        finally
        {
            foreach (MemoryHandle pin in pins)
                pin.Dispose();
        }
    }

    // One slot of all variables lies together, then the next: long streams, however small the variables.
    Target[] MakeTargets(int slotCount, bool[] decays)
    {
        var targets = new Target[_trainable.Length];
        nint stride = 0;
        for (int i = 0; i < targets.Length; i++)
        {
            ref Target target = ref targets[i];
            target.Variable = _trainable[i];
            target.Constraint = _trainable[i].Constraint;
            target.Spot = _trainable[i].Spot;
            target.Decays = decays[i];
            target.RandomStream = StochasticRounding.StreamOf(_trainable[i].Path);
            target.Group = GroupOf(i);
            target.OverwrittenByGradient = _trainable[i].OverwriteWithGradient;
            stride += PaddedSize(in target);
        }

        stride += Arena.Stagger;
        bool averages = UseEma, accumulators = GradientAccumulationSteps is not null;
        int kinds = slotCount + (averages ? 1 : 0) + (accumulators ? 1 : 0);
        nint wideSize = 0;
        foreach (ref Target target in targets.AsSpan())
            wideSize += NeedsWide(in target) ? PaddedSize(in target) : 0;

        _arena = new Arena((stride * kinds) + wideSize);
        byte* next = _arena.First, wide = next + (stride * kinds);
        foreach (ref Target target in targets.AsSpan())
        {
            target.Stride = stride;
            byte* slot = next;
            target.Slots = slot;
            slot += slotCount * stride;
            if (averages && !target.OverwrittenByGradient)
                target.Averages = slot;
            slot += averages ? stride : 0;
            if (accumulators)
                target.Accumulator = slot;
            next += PaddedSize(in target);
            if (!NeedsWide(in target))
                continue;
            target.Wide = wide;
            target.KeepsWide = UseMasterWeights;
            wide += PaddedSize(in target);
        }

        return targets;
    }

    static nint PaddedSize(in Target target) => Arena.Padded((nint)target.Spot.Length * target.ComputeType.Size());

    bool NeedsWide(in Target target) =>
        target.IsNarrow && !target.OverwrittenByGradient && (UseMasterWeights || target.Constraint is not null);

    static string SlotPath(string path, Variable of, string name) => $"{path}/{of.Path.Replace('/', '_')}_{name}";

    void NameSlots(IReadOnlyList<string> names, string path)
    {
        var variables = new List<Variable>();
        var owners = new List<(string, Variable)>();
        BlockPipeline pipeline = _pipeline!;
        foreach (ref Target target in pipeline.Targets)
        {
            if (target.Averages != null)
                Add(in target, target.Averages, "average");
        }

        for (int t = 0; t < pipeline.Targets.Length; t++)
        {
            int number = t;
            if (pipeline.Targets[t].Accumulator != null)
                Add(in pipeline.Targets[t], pipeline.Targets[t].Accumulator, "gradient_accumulator", () => pipeline.ZeroIfSpent(number));
        }

        foreach (ref Target target in pipeline.Targets)
        {
            for (int slot = 0; slot < names.Count && !target.OverwrittenByGradient; slot++)
                Add(in target, target.Slots + (slot * target.Stride), names[slot]);
        }

        foreach (ref Target target in pipeline.Targets)
        {
            if (!target.KeepsWide)
                continue;
            Add(in target, target.Wide, MasterSlot);
            variables[^1].CopyFrom(target.Variable);
        }

        _slotVariables = variables;
        _slotOwners = owners;

        void Add(in Target target, byte* address, string name, Action? beforeLook = null)
        {
            Variable of = target.Variable;
            owners.Add((name, of));
            string slotPath = SlotPath(path, of, name);
            variables.Add(target.ComputeType == DType.Float64
                ? new Variable<double>(slotPath, _arena!.View<double>(address, of.Length, beforeLook), of.Shape)
                : new Variable<float>(slotPath, _arena!.View<float>(address, of.Length, beforeLook), of.Shape));
        }
    }
}
