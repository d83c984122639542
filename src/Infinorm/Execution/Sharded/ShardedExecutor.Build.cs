using Infinorm.Execution.Memory;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Execution.Sharded;

/// <summary>The build: who owns what, and that all ranks mean the same.</summary>
sealed unsafe partial class ShardedExecutor
{
    public Variable? View(int variable, StateKind kind, int slot, string path)
    {
        Variable whole = _variables[variable];
        DType type = ShardMap.SumType(whole);
        BuildRequest request = _request!;
        bool is16Bit = whole.DType != type, isBytes = kind is StateKind.Slot or StateKind.SlotScales && MemoryLayout.HasByteSlots(whole, request);
        if (kind == StateKind.Accumulator)
            return request.HasAccumulators ? new ShardedVariable(world, [], path, type, whole.Length, whole.Shape) : null;
        if (kind == StateKind.Slot && request.Slots.Declared[slot].Place < 0)
        {
            OwnSlot own = MemoryLayout.OwnSlotOf(request.Slots.Declared[slot], whole);
            if (own.Shape is null)
                return null;
            Piece? owner = PiecesOf(variable).Select(entry => entry.Piece).FirstOrDefault();
            return Sharded([new Shard(0, own.Length, owner?.Owner ?? 0, ViewOfOwn(owner))], own.Length, own.Shape);
        }

        if (isBytes && kind == StateKind.SlotScales)
        {
            int blocks = ByteCodes.BlocksFor(whole.Length);
            return Sharded(
                [
                    .. PiecesOf(variable).Select(entry => new Shard(
                        entry.Piece.Start / ByteCodes.BlockLength, ByteCodes.BlocksFor(entry.Piece.Count), entry.Piece.Owner, ViewOfOwn(entry.Piece))),
                ],
                blocks, [blocks]);
        }

        bool exists = !whole.OverwriteWithGradient && kind switch
        {
            StateKind.Average => request.HasAverages,
            StateKind.SlotScales => false,
            StateKind.MasterWeights => is16Bit && request.HasMasterWeights,
            _ => true,
        };
        return exists
            ? Sharded(
                [.. PiecesOf(variable).Select(entry => new Shard(entry.Piece.Start, entry.Piece.Count, entry.Piece.Owner, ViewOfOwn(entry.Piece)))],
                whole.Length, whole.Shape)
            : null;

        ShardedVariable Sharded(Shard[] shards, int length, ReadOnlySpan<nint> shape) =>
            new(world, shards, path, isBytes && kind == StateKind.Slot ? DType.UInt8 : type, length, shape);

        Variable? ViewOfOwn(Piece? piece) => Array.IndexOf(_own, piece) is var own and >= 0 ? _inner.View(own, kind, slot, path) : null;
    }

    void BuildOwn(BuildRequest request)
    {
        _request = request;
        _variables = request.Variables;
        VariableMemory.CheckDisjoint(request.Together);
        bool needsWhole = request.NeedsWholeVariables || request.Slots.Places != request.Slots.Declared.Count;
        _map = ShardMap.Divide(
            _variables, [.. _variables.Select(variable => needsWhole || variable.Constraint is not null)], world.Size, world.BucketBytes);
        _own = [.. _map.Buckets.SelectMany(bucket => bucket.Pieces).Where(piece => piece.Owner == world.Rank)];
        _tree = new GradientTree(_variables, _map, _own, world.Size, batches, maxDegreeOfParallelism);
        _given = new Gradient[_own.Length];
        _checks = new GradientChecks(request.Together, _tree.Memory);
        _gradients = new TypedMemory[_variables.Length];
        _rows = new RowOrder?[_variables.Length];
        _present = new bool[_variables.Length];
        _bufferBytes = world.Size == 1 ? 0 : Arena.Padded((nint)_map.Buckets.Max(BufferBytes));
        _buffers = new Arena(2 * _bufferBytes);
        _partBytes = new int[world.Size];
        _sums = new SumExchange(world, _map, _variables);
        _lastPass = new RuleProbe(request.Slots);
        _lastGroup = request.GroupOf.Max();
        _lastIsDouble = _variables.Where((_, i) => request.GroupOf[i] == _lastGroup).Any(variable => variable.DType == DType.Float64);
        _inner.BeforeChunk = world.Size == 1 ? MakeMean : null;

        long BufferBytes(Bucket bucket) =>
            Math.Max((long)bucket.GradientBytes[world.Rank] * world.Size, bucket.WeightBytes.Sum(bytes => (long)bytes));
    }

    BuildRequest InnerRequest(BuildRequest request) => request with
    {
        Variables = [.. _own.Select(PartOf)],
        PartOf = [.. _own.Select(piece => (_variables[piece.Variable], piece.Start))],
        Decays = [.. _own.Select(piece => request.Decays[piece.Variable])],
        OwnDecays = [.. _own.Select(piece => request.OwnDecays[piece.Variable])],
        GroupOf = [.. _own.Select(piece => request.GroupOf[piece.Variable])],
        HasAccumulators = false,
    };

    // A whole variable has its constraint.
    Variable PartOf(Piece piece) => piece.Count == _variables[piece.Variable].Length
        ? _variables[piece.Variable]
        : _variables[piece.Variable].Slice(piece.Start, piece.Count);

    IEnumerable<(Piece Piece, Bucket Bucket)> PiecesOf(int variable) => _map!.Buckets
        .SelectMany(bucket => bucket.Pieces.Select(piece => (piece, bucket)))
        .Where(entry => entry.piece.Variable == variable).OrderBy(entry => entry.piece.Start);

    void RequireSame(BuildRequest request) => world.RequireSame(
        _optimizer,
        [
            $"version {typeof(ShardedExecutor).Assembly.GetName().Version}", settings,
            .. request.Variables.Select((variable, i) => $"variable {i}: {variable}, group {request.GroupOf[i]}, "
                + $"decays {request.Decays[i]}, own decay {request.OwnDecays[i]?.Value}, constraint {variable.Constraint?.GetType().Name}, "
                + $"overwritten {variable.OverwriteWithGradient}"),
        ]);
}
