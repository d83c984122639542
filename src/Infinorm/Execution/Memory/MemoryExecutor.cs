using Infinorm.Rules;
using Infinorm.Variables;

namespace Infinorm.Execution.Memory;

/// <summary>
/// Carries plans out over plain memory: cuts every variable into blocks that stay in the L1 cache from the first stage to the last.
/// </summary>
/// <param name="maxDegreeOfParallelism">How many threads work on a step, the calling one included.</param>
/// <param name="taskElements">How many elements make a task.</param>
sealed unsafe partial class MemoryExecutor(int maxDegreeOfParallelism, int taskElements = WorkList.DefaultTaskElements) : IExecutor
{
    VariableState[] _states = [];
    TypedMemory[] _gradients = [];
    RowOrder?[] _rows = [];
    WorkList[] _work = [];
    PreparedPass[] _passes = [];
    int[] _constrained = [];
    int[] _foreign = [];
    nint[] _addresses = [];
    nint[] _foreignAddresses = [];
    Variable[] _variables = [];
    string _optimizer = "";
    Slots? _slots;
    Arena? _arena;
    GradientChecks? _checks;
    StepPlan[] _plans = [];

    // That of the first group: what all groups have in common.
    ref readonly StepPlan Plan => ref _plans[0];

    /// <summary>Makes the gradient of a chunk right before it is first read in a call; null where gradients are there.</summary>
    public Action<Chunk>? BeforeChunk { get; set; }

    public void Build(BuildRequest request)
    {
        VariableMemory.CheckDisjoint(request.Together);
        _optimizer = request.Slots.Optimizer;
        _slots = request.Slots;
        _states = MemoryLayout.Make(request, out _arena);
        foreach (ref VariableState state in _states.AsSpan())
        {
            if (state.HasMasterWeights)
                CopyVariable(in state, state.FloatCopy);
            for (int slot = 0; slot < request.Slots.Declared.Count; slot++)
            {
                DeclaredSlot declared = request.Slots.Declared[slot];
                if (declared.Spec.StartsAsVariable && declared.Place >= 0)
                    CopyVariable(in state, state.Slots + (declared.Place * state.Stride));
            }
        }

        _foreign = [.. Enumerable.Range(0, _states.Length).Where(i => _states[i].Elements.IsForeign && _states[i].Elements.Length > 0)];
        _addresses = new nint[_states.Length];
        _foreignAddresses = new nint[_foreign.Length];
        _variables = request.Together;
        _gradients = new TypedMemory[_states.Length];
        _rows = new RowOrder?[_states.Length];
        _constrained = [.. Enumerable.Range(0, _states.Length).Where(i => _states[i].Constraint is not null)];
        _work = WorkList.Cut(_states, taskElements);
        _passes = [.. _work.Select(work => new PreparedPass(this, work, request.Slots))];
        _checks = new GradientChecks(request.Together, _arena);
        _codings = Array.Exists(_states, state => state.ByteSlots.Length > 0) ? new SlotCoding[request.Slots.Declared.Count] : [];
    }

    void CopyVariable(in VariableState state, byte* target) =>
        _arena!.ViewAs(in state, target, state.Variable.Path, null).CopyFrom(state.Variable);

    public Variable? View(int variable, StateKind kind, int slot, string path)
    {
        ref VariableState state = ref _states[variable];
        int place = kind == StateKind.Slot ? _slots!.Declared[slot].Place : 0;
        if (place < 0)
        {
            OwnSlot own = state.OwnSlots[slot];
            return own.Address == 0 ? null : _arena!.ViewAs(in state, (byte*)own.Address, own.Length, own.Shape, path, null);
        }

        if (kind is StateKind.Slot or StateKind.SlotScales && state.ByteSlots.Length > 0)
            return BytesView(in state, kind, slot, path);
        byte* address = kind switch
        {
            StateKind.SlotScales => null,
            StateKind.Average => state.Average,
            StateKind.Accumulator => state.Accumulator,
            StateKind.MasterWeights => state.HasMasterWeights ? state.FloatCopy : null,
            _ => state.OverwrittenByGradient ? null : state.Slots + (place * state.Stride),
        };
        return address == null
            ? null
            : _arena!.ViewAs(in state, address, path, kind == StateKind.Accumulator ? () => ZeroIfSpent(variable) : null);
    }

    public int Accept(ReadOnlySpan<Gradient> gradients)
    {
        RequireVariables();
        bool rows = false, changed = false;
        int missing = 0;
        _checks!.Begin();
        for (int i = 0; i < gradients.Length; i++)
        {
            ref readonly Gradient gradient = ref gradients[i];
            rows |= gradient.Elements.IsRows;
            missing += gradient.IsNone ? 1 : 0;
            if (gradient.Elements.IsSameAs(in _gradients[i]) && !(gradient.Elements.IsForeign && HasMoved(in gradient, i)))
                continue; // none again, or checked in the last call
            changed = true;
            _gradients[i] = default;
            if (!gradient.IsNone)
                _checks.Add(gradient, _states[i].Variable);
        }

        _checks.End();
        for (int i = 0; changed && i < gradients.Length; i++)
            _gradients[i] = gradients[i].Elements;
        if (rows)
            AcceptRows(gradients);
        return missing;
    }

    public void Prepare(IRuleSource source, StepPlan[] plans)
    {
        _plans = plans;
        foreach (PreparedPass pass in _passes)
            pass.Prepare(source, plans);
        AskDecays();
    }

    public bool Reduce(out GradientNorm norm, ref int missing)
    {
        norm = default;
        try
        {
            if (Plan.AccumulationSteps > 0)
                ZeroSpentAccumulators(in Plan);
            return !Plan.Reduces || ReduceAll(in Plan, out norm);
        }
        catch (Exception e)
        {
            throw new HalfMadeStepException(_optimizer, e);
        }
    }

    public void Run()
    {
        try
        {
            foreach (PreparedPass pass in _passes)
                pass.Job.Run(pass.Job.Tasks, Helpers);
            if (Plan.AccumulationSteps > 0)
                MarkAccumulators(in Plan);
            Constrain(in Plan);
        }
        catch (Exception e)
        {
            throw new HalfMadeStepException(_optimizer, e);
        }
    }

    public IExecutor ForCopies() => new MemoryExecutor(maxDegreeOfParallelism, taskElements);

    // As HasMoved, for the variables.
    void RequireVariables()
    {
        bool moved = false;
        for (int f = 0; f < _foreign.Length; f++)
        {
            int i = _foreign[f];
            nint address = _states[i].Elements.AddressNow(_states[i].Variable.Path);
            moved |= address != _foreignAddresses[f];
            _foreignAddresses[f] = address;
        }

        if (moved)
            VariableMemory.CheckDisjoint(_variables);
    }

    // Memory of a manager of which nothing is known is asked for in every call: it may be gone, or be another by now.
    bool HasMoved(in Gradient gradient, int variable)
    {
        TypedMemory elements = gradient.AsRows?.Values ?? gradient.Elements;
        nint address = elements.AddressNow(_states[variable].Variable.Path), before = _addresses[variable];
        _addresses[variable] = address;
        return address != before;
    }

    // The numbers of the rows may be others each time.
    void AcceptRows(ReadOnlySpan<Gradient> gradients)
    {
        for (int i = 0; i < gradients.Length; i++)
        {
            if (gradients[i].AsRows is { } rows)
                RowOrder.Check(rows, _states[i].Variable);
        }

        for (int i = 0; i < gradients.Length; i++)
        {
            if (gradients[i].AsRows is { } rows)
                (_rows[i] ??= new RowOrder()).Sort(rows, _states[i].Variable);
        }
    }
}
