using Infinorm.Execution;
using Infinorm.Execution.Sharded;
using static TorchSharp.torch;

namespace Infinorm.Torch;

/// <summary>
/// The buffers of a model, such as running means, on several ranks. Each batch of an update starts from the buffers that the update began
/// with. At its end, floats become what they were plus the mean of the changes, integers what they were plus the sum; changes are added in
/// the tree of the gradients, so that the bits are the same for any number of ranks.
/// </summary>
sealed class SharedBuffers : IDisposable
{
    readonly World _world;
    readonly Infinorm.Optimizer _optimizer;
    readonly Tensor[] _buffers, _start;
    readonly Stack<Tensor?[]> _nodes = new(); // sums of changes in double, none where nothing has changed
    readonly int[] _merges;
    Tensor?[]? _held; // the changes of a batch that has not ended

    /// <summary>Gives all ranks the buffers of rank 0.</summary>
    public SharedBuffers(nn.Module model, World world, Infinorm.Optimizer optimizer)
    {
        using var noGradient = no_grad();
        (_world, _optimizer) = (world, optimizer);
        _buffers =
        [
            .. model.named_buffers().Select(named => named.buffer)
                .Where(buffer => !buffer.IsInvalid && buffer.NumberOfElements > 0 && !buffer.is_complex()),
        ];
        foreach (Tensor buffer in _buffers)
        {
            using Tensor onCpu = buffer.cpu();
            using Tensor whole = onCpu.contiguous();
            world.Broadcast(whole.bytes, root: 0);
            buffer.copy_(whole);
        }

        _start = Array.ConvertAll(_buffers, buffer => buffer.clone().DetachFromDisposeScope());
        _merges = GradientTree.MergesOf(world.BatchesPerUpdate / world.Size);
    }

    /// <summary>Begins a batch: before the first of an update, somebody may have set the buffers.</summary>
    public void Begin()
    {
        if (_optimizer.PendingCalls > 0)
            return;
        using var noGradient = no_grad();
        Forget();
        foreach (var (buffer, start) in _buffers.Zip(_start))
        {
            if (!buffer.Equals(start))
                start.copy_(buffer);
        }
    }

    /// <summary>
    /// Puts back what the update began with, and keeps what the present batch has changed until it ends: somebody looks at the model meanwhile.
    /// </summary>
    public void Hold()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        _held = [.. _buffers.Zip(_start, Change).Select(change => change?.DetachFromDisposeScope())];
        Reset();
    }

    /// <summary>Ends a batch, whose number among this rank's batches of the update is given, once the optimizer has its gradients.</summary>
    public void End(int batch, StepResult result)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        if (_held is null)
            Hold();
        Tensor?[] changes = _held!;
        _held = null;
        if (result == StepResult.Skipped)
        {
            _held = changes;
            Forget();
            return;
        }

        for (int merge = 0; merge < _merges[batch]; merge++)
            changes = Sum(_nodes.Pop(), changes);
        _nodes.Push(changes);
        if (result == StepResult.Updated)
            Finish();
    }

    /// <summary>Puts back what the update began with.</summary>
    public void Reset()
    {
        using var noGradient = no_grad();
        foreach (var (buffer, start) in _buffers.Zip(_start))
        {
            if (!buffer.Equals(start))
                buffer.copy_(start);
        }
    }

    public void Dispose()
    {
        Forget();
        foreach (Tensor start in _start)
            start.Dispose();
    }

    void Finish()
    {
        Tensor?[] own = _nodes.Peek();
        double[][] flags = _world.Gather([.. own.Select(change => change is null ? 0.0 : 1.0)]);
        int[] changed = [.. Enumerable.Range(0, own.Length).Where(i => flags.Any(rank => rank[i] != 0))];
        double[][] nodes = _world.Gather([.. changed.SelectMany(i => own[i] is { } change ? change.data<double>().ToArray() : new double[_start[i].NumberOfElements])]);
        for (int step = 1; step < nodes.Length; step *= 2)
        {
            for (int rank = 0; rank + step < nodes.Length; rank += 2 * step)
            {
                for (int i = 0; i < nodes[rank].Length; i++)
                    nodes[rank][i] += nodes[rank + step][i];
            }
        }

        int next = 0;
        foreach (int i in changed)
        {
            int length = (int)_start[i].NumberOfElements;
            Tensor change = tensor(nodes[0].AsSpan((next += length) - length, length).ToArray(), _start[i].shape);
            if (_start[i].is_floating_point())
                change = change.div(_world.BatchesPerUpdate);
            _buffers[i].copy_(_start[i].to(float64).add(change));
        }

        Forget();
    }

    // In double; none where nothing has changed. What is the same stays so, infinite or not a number, too.
    static Tensor? Change(Tensor buffer, Tensor start)
    {
        if (buffer.Equals(start))
            return null;
        Tensor now = buffer.to(float64), before = start.to(float64), same = now.eq(before).logical_or(now.isnan().logical_and(before.isnan()));
        return where(same, zeros_like(now), now.sub(before)).contiguous();
    }

    static Tensor?[] Sum(Tensor?[] left, Tensor?[] right) =>
        [.. left.Zip(right, (one, other) => one is null ? other : other is null ? one : Added(one, other))];

    static Tensor Added(Tensor one, Tensor other)
    {
        one.add_(other);
        other.Dispose();
        return one;
    }

    void Forget()
    {
        foreach (Tensor? change in _nodes.SelectMany(node => node).Concat(_held ?? []))
            change?.Dispose();
        _nodes.Clear();
        _held = null;
    }
}
