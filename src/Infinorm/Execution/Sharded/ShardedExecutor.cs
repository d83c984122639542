using System.Runtime.InteropServices;
using Infinorm.Execution.Memory;
using Infinorm.Rules;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Execution.Sharded;

/// <summary>
/// Carries plans out over the ranks of a world: each call takes the gradients of one of the batches that make an update, each rank steps the
/// elements that it owns, and all get the weights. What comes out is the same for any number of ranks, bit for bit.
/// </summary>
/// <param name="world">The ranks.</param>
/// <param name="settings">What must be the same on all ranks.</param>
/// <param name="batches">How many batches make an update.</param>
/// <param name="maxDegreeOfParallelism">How many threads of this rank work on a step.</param>
sealed unsafe partial class ShardedExecutor(
    World world, string settings, int batches, int maxDegreeOfParallelism) : IExecutor
{
    readonly MemoryExecutor _inner = new(maxDegreeOfParallelism);
    Variable[] _variables = [];
    BuildRequest? _request;
    ShardMap? _map;
    Piece[] _own = []; // this rank's pieces, in the order of the inner executor's variables
    GradientTree? _tree;
    GradientChecks? _checks;
    TypedMemory[] _gradients = [];
    RowOrder?[] _rows = [];
    Gradient[] _given = []; // what the inner executor gets: means of this rank's pieces, or gradients of the last batch
    int[] _partBytes = []; // what a rank receives from each
    Arena? _buffers; // two: what is sent or received, and what is received or sent
    nint _bufferBytes;
    bool[] _present = []; // which variables have a gradient in a batch of this update
    StepPlan[] _plans = [];
    StepPlan[] _innerPlans = [];
    string _optimizer = "";
    int _batch; // the next one's number among this rank's
    RuleProbe? _lastPass; // that a single process makes
    int _lastGroup;
    bool _lastIsDouble;
    Action? _run;
    SumExchange? _sums;

    ref readonly StepPlan Plan => ref _plans[0];

    public void Build(BuildRequest request)
    {
        _optimizer = request.Slots.Optimizer;
        RequireSame(request);
        world.RequireDivisible(_optimizer, batches);
        world.Together(() => BuildOwn(request));
        foreach (Variable variable in request.Variables)
            variable.VisitBytes(bytes => world.Broadcast(bytes, root: 0), writes: !world.IsFirst);
        world.Together(() => _inner.Build(InnerRequest(request)));
        world.Divide(batches);
        _batch = 0;
    }

    public IExecutor ForCopies() =>
        throw new NotSupportedException($"{_optimizer}: its state is divided among {world.Size} ranks, so that copies of it cannot be stepped.");

    public int Accept(ReadOnlySpan<Gradient> gradients)
    {
        int missing = 0;
        _checks!.Begin();
        for (int i = 0; i < gradients.Length; i++)
        {
            missing += gradients[i].IsNone ? 1 : 0;
            _gradients[i] = default;
            if (!gradients[i].IsNone)
                _checks.Add(gradients[i], _variables[i]);
            if (gradients[i].AsRows is { } rows)
                RowOrder.Check(rows, _variables[i]);
        }

        _checks.End();
        for (int i = 0; i < gradients.Length; i++)
        {
            _gradients[i] = gradients[i].Elements;
            if (gradients[i].AsRows is { } rows)
                (_rows[i] ??= new RowOrder()).Sort(rows, _variables[i]);
        }

        return missing;
    }

    public void Prepare(IRuleSource source, StepPlan[] plans)
    {
        _plans = plans;
        world.Calls = plans[0].CallsBefore;
        int done = (int)(plans[0].CallsBefore % batches);
        if (done % world.Size != 0)
        {
            throw new InvalidOperationException(
                $"{_optimizer}: the state is of the middle of an update, after {done} of {batches} batches, which {world.Size} ranks cannot go on with.");
        }

        if (done / world.Size != _batch)
        {
            if (done != 0)
            {
                throw new InvalidOperationException(
                    $"{_optimizer}: the state is of the middle of an update, after {done} of {batches} batches; gradients of those are not known here.");
            }

            _batch = 0; // the state was loaded
        }

        if (!Plan.Updates)
            return;
        _innerPlans = plans.Length == _innerPlans.Length ? _innerPlans : new StepPlan[plans.Length];
        for (int i = 0; i < plans.Length; i++)
            _innerPlans[i] = plans[i] with { AccumulationSteps = world.Size == 1 && batches > 1 ? batches : 0, ResetsAccumulators = false };
        _inner.Prepare(source, _innerPlans);

        // Numbers that the optimizer has once are those that the last pass of the whole prepares, which may be another rank's.
        if (_request!.Slots.Scalars.Count > 0)
            _lastPass!.Ask(source, in plans[_lastGroup], _lastIsDouble);
        if (world.Size > 1)
            MeetBeforeUpdate();
    }

    public bool Reduce(out GradientNorm norm, ref int missing)
    {
        norm = default;
        try
        {
            AddBatch();
            if (!Plan.Updates)
                return true;
            _inner.Accept(_given);
            bool isMade = Exchange(_inner.ReduceParts(), out norm, out missing);
            _batch = isMade ? _batch : 0;
            return isMade;
        }
        catch (Exception e) when (e is not (WorldException or HalfMadeStepException))
        {
            throw new HalfMadeStepException(_optimizer, e);
        }
    }

    public void Run()
    {
        if (!Plan.Updates)
        {
            _batch++;
            return;
        }

        _batch = 0;
        try
        {
            world.Together(_run ??= _inner.Run);
            foreach (Bucket bucket in _map!.Buckets)
                GatherWeights(bucket);
        }
        catch (Exception e) when (e is not HalfMadeStepException)
        {
            throw new HalfMadeStepException(_optimizer, e);
        }
    }

    // Adds this call's batch to the node; with the last one, buckets travel and this rank's means are made. A world of one rank adds its
    // last batch in the step.
    void AddBatch()
    {
        if (Plan.Updates)
            world.BeginExchange();
        if (_batch == 0)
            Array.Clear(_present);
        for (int i = 0; i < _gradients.Length; i++)
            _present[i] |= _gradients[i].Owner is not null;
        _tree!.Begin(_batch, _gradients, _rows);
        if (Plan.Updates && world.Size == 1)
        {
            for (int i = 0; i < _own.Length; i++)
                GiveLast(i);
            return;
        }

        for (int bucket = 0; bucket < _map!.Buckets.Length; bucket++)
        {
            _tree.Add(bucket);
            if (Plan.Updates)
                Exchange(bucket);
        }

        if (Plan.Updates)
            _tree.Means.CopyTo(_given, 0);
        else
            _tree.End();
    }

    // A gradient that only has to be added to the node, and divided, is given as it is: the step does both. Of others the mean is made
    // when the step turns to it.
    void GiveLast(int own)
    {
        Piece piece = _own[own];
        TypedMemory gradient = _gradients[piece.Variable];
        bool isGiven = _tree!.IsPlain(piece.Variable) && (batches == 1 || (_tree.Joins == 1 && Plan.LossScale is null));
        _given[own] = isGiven ? new(gradient with { Start = gradient.Start + piece.Start, Length = piece.Count }) : _tree.Means[own];
        _inner.SetAccumulator(own, isGiven && batches > 1 ? _tree.MeanAt(own) : null);
    }

    void MakeMean(Chunk chunk)
    {
        if (_given[chunk.Variable].Elements.Owner == _tree!.Means[chunk.Variable].Elements.Owner)
            _tree.AddLast(_own[chunk.Variable], chunk.Variable, chunk.Start, chunk.Count);
    }

    // Every rank gets the nodes of its pieces from all ranks.
    void Exchange(int number)
    {
        Bucket bucket = _map!.Buckets[number];
        int mine = bucket.GradientBytes[world.Rank];
        Array.Fill(_partBytes, mine);
        ReadOnlySpan<byte> node = MemoryMarshal.CreateReadOnlySpan(in _tree!.NodeOf(number), bucket.GradientBytes.Sum());
        world.AllToAll(node, bucket.GradientBytes, new(_buffers!.First, checked(mine * world.Size)), _partBytes);
        _tree.Average(number, _buffers.First, mine);
    }

    // Every rank gets the weights of all, right into a variable that fills the bucket alone.
    void GatherWeights(Bucket bucket)
    {
        if (world.Size == 1)
            return;
        byte* own = _buffers!.First, all = own + _bufferBytes;
        int first = 0, length = bucket.WeightBytes.Sum();
        for (int rank = 0; rank < world.Rank; rank++)
            first += bucket.WeightBytes[rank];
        if (bucket.IsRun)
        {
            Piece start = bucket.Pieces[0];
            Span<byte> weights = MemoryMarshal.CreateSpan(ref _variables[start.Variable].Elements.At(start.Start), length);
            world.AllGather(weights.Slice(first, bucket.WeightBytes[world.Rank]), weights, bucket.WeightBytes);
            return;
        }

        foreach (Piece piece in bucket.Pieces)
        {
            if (piece.Owner == world.Rank)
                Copy(piece, own + (piece.WeightsAt - first), toVariable: false);
        }

        world.AllGather(new(own, bucket.WeightBytes[world.Rank]), new(all, length), bucket.WeightBytes);
        foreach (Piece piece in bucket.Pieces)
        {
            if (piece.Owner != world.Rank)
                Copy(piece, all + piece.WeightsAt, toVariable: true);
        }

        void Copy(Piece piece, byte* bytes, bool toVariable)
        {
            TypedMemory elements = _variables[piece.Variable].Elements;
            var bytesOfPiece = (nuint)((nint)piece.Count * elements.DType.Size());
            fixed (byte* weights = &elements.At(piece.Start))
                NativeMemory.Copy(toVariable ? bytes : weights, toVariable ? weights : bytes, bytesOfPiece);
        }
    }
}
