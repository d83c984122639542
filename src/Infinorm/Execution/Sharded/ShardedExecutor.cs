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
    readonly int _ownBatches = batches / world.Size;
    Variable[] _variables = [];
    BuildRequest? _request;
    ShardMap? _map;
    Piece[] _own = []; // this rank's pieces, in the order of the inner executor's variables
    GradientTree? _tree;
    GradientChecks? _checks;
    TypedMemory[] _gradients = [];
    RowOrder?[] _rows = [];
    Gradient[] _means = []; // of this rank's pieces
    float[] _singles = [];
    double[] _doubles = [];
    Arena? _buffers; // two: what is sent or received, and what is received or sent
    nint _bufferBytes;
    bool[] _present = []; // which variables have a gradient in a batch of this update
    StepPlan[] _plans = [];
    StepPlan[] _innerPlans = [];
    string _optimizer = "";
    int _batch; // the next one's number among this rank's
    SumExchange? _sums;

    ref readonly StepPlan Plan => ref _plans[0];

    bool IsLast => _batch == _ownBatches - 1;

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

        if (!IsLast)
            return;
        _innerPlans = plans.Length == _innerPlans.Length ? _innerPlans : new StepPlan[plans.Length];
        for (int i = 0; i < plans.Length; i++)
            _innerPlans[i] = plans[i] with { AccumulationSteps = 0, ResetsAccumulators = false };
        _inner.Prepare(source, _innerPlans);

        // Numbers that the optimizer has once are those that the last pass of the whole prepares, which may be another rank's.
        if (_request!.Slots.Scalars.Count > 0)
        {
            int group = _request.GroupOf.Max();
            bool doubles = _variables.Where((variable, i) => _request.GroupOf[i] == group).Any(variable => variable.DType == DType.Float64);
            new RuleProbe(_request.Slots, plans[group].LearningRate, plans[group].Iterations).Ask(source, doubles);
        }
    }

    public bool Reduce(out GradientNorm norm, ref int missing)
    {
        norm = default;
        try
        {
            AddBatch();
            if (!Plan.Updates)
                return true;
            _inner.Accept(_means);
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
            world.Together(_inner.Run);
            foreach (Bucket bucket in _map!.Buckets)
                GatherWeights(bucket);
        }
        catch (Exception e) when (e is not HalfMadeStepException)
        {
            throw new HalfMadeStepException(_optimizer, e);
        }
    }

    // Adds this call's batch to the node; with the last one, buckets travel and this rank's means are made.
    void AddBatch()
    {
        if (_batch == 0)
            Array.Clear(_present);
        for (int i = 0; i < _gradients.Length; i++)
            _present[i] |= _gradients[i].Owner is not null;
        _tree!.Begin(_batch);
        int own = 0;
        foreach (Bucket bucket in _map!.Buckets)
        {
            _tree.Add(_batch, bucket, _gradients, _rows);
            if (Plan.Updates)
                Exchange(bucket, ref own);
        }

        _tree.End(_batch);
    }

    // Every rank gets the nodes of its pieces from all ranks.
    void Exchange(Bucket bucket, ref int own)
    {
        int mine = bucket.GradientBytes[world.Rank], total = bucket.GradientBytes.Sum();
        byte* node = _tree!.NodeOf(bucket), received = node;
        if (world.Size > 1)
        {
            received = _buffers!.First;
            world.AllToAll(
                new(node, total), bucket.GradientBytes, new(received, checked(mine * world.Size)), [.. Enumerable.Repeat(mine, world.Size)]);
        }

        for (nint at = 0; at < mine; own++)
        {
            Piece piece = _own[own];
            Variable variable = _variables[piece.Variable];
            bool isMax = variable.OverwriteWithGradient;
            if (_means[own].Elements is { Owner: double[] doubles, Start: var first })
                GradientTree.Finish(received + at, world.Size, mine, piece.Count, isMax, batches, doubles, first, maxDegreeOfParallelism);
            else
                GradientTree.Finish(received + at, world.Size, mine, piece.Count, isMax, batches, _singles, _means[own].Elements.Start, maxDegreeOfParallelism);
            at += piece.Count * ShardMap.SumType(variable).Size();
        }
    }

    // Every rank gets the weights of all.
    void GatherWeights(Bucket bucket)
    {
        if (world.Size == 1)
            return;
        byte* own = _buffers!.First, all = own + _bufferBytes;
        int first = 0;
        for (int rank = 0; rank < world.Rank; rank++)
            first += bucket.WeightBytes[rank];
        foreach (Piece piece in bucket.Pieces)
        {
            if (piece.Owner == world.Rank)
                Copy(piece, own + (piece.WeightsAt - first), toVariable: false);
        }

        world.AllGather(new(own, bucket.WeightBytes[world.Rank]), new(all, bucket.WeightBytes.Sum()), bucket.WeightBytes);
        foreach (Piece piece in bucket.Pieces)
        {
            if (piece.Owner != world.Rank)
                Copy(piece, all + piece.WeightsAt, toVariable: true);
        }

        void Copy(Piece piece, byte* bytes, bool toVariable)
        {
            TypedMemory elements = _variables[piece.Variable].Elements;
            var length = (nuint)((nint)piece.Count * elements.DType.Size());
            fixed (byte* weights = &elements.At(piece.Start))
                NativeMemory.Copy(toVariable ? bytes : weights, toVariable ? weights : bytes, length);
        }
    }
}
