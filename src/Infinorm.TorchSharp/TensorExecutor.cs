using Infinorm.Execution;
using Infinorm.Rules;
using Infinorm.Variables;
using TorchSharp;

namespace Infinorm.Torch;

/// <summary>
/// Carries plans out by tensor operations, on the devices where the tensors are. It goes through every variable in pieces, so that the
/// tensors that operations make, a dozen or two at a time, are together smaller than the largest variable.
/// </summary>
sealed class TensorExecutor : IExecutor, IDisposable
{
    /// <summary>Into how many pieces the largest variable is cut.</summary>
    const int PieceCount = 64;

    /// <summary>A piece is not cut further.</summary>
    const int MinPieceLength = 16 * 1024;

    TensorState[] _states = [];
    TensorPass[] _passes = [];
    long _pieceLength;
    StepPlan[] _plans = [];
    Slots? _slots;

    public void Build(BuildRequest request)
    {
        if (request.RoundsAtRandom)
            throw new NotSupportedException($"{request.Slots.Optimizer} steps tensors of a device; stochastic rounding is for memory.");
        if (request.ByteStorageMinimum is not null)
            throw new NotSupportedException($"{request.Slots.Optimizer} steps tensors of a device; slots of one byte are for memory.");
        var states = new List<TensorState>();
        try
        {
            for (int i = 0; i < request.Variables.Length; i++)
                states.Add(new TensorState(request, i));
        }
        catch
        {
            states.ForEach(state => state.Dispose());
            throw;
        }

        _slots = request.Slots;
        _states = [.. states];
        _pieceLength = Math.Max(MinPieceLength, _states.Max(state => (long)state.Variable.Length) / PieceCount);
        _passes =
        [
            .. _states.GroupBy(state => (state.Group, state.ComputeType)).OrderBy(work => work.Key)
                .Select(work => new TensorPass([.. work], request.Slots, _pieceLength)),
        ];
    }

    public Variable? View(int variable, StateKind kind, int slot, string path) => (kind switch
    {
        StateKind.Average => _states[variable].Average,
        StateKind.Accumulator => _states[variable].Accumulator,
        StateKind.MasterWeights => _states[variable].Master,
        StateKind.SlotScales => null,
        _ when _slots!.Declared[slot].Place is >= 0 and var place => _states[variable].Slots[place],
        _ => _states[variable].OwnSlots[slot],
    }) is { } tensor ? new TensorVariable(path, tensor) : null;

    public int Accept(ReadOnlySpan<Gradient> gradients)
    {
        int missing = 0;
        for (int i = 0; i < _states.Length; i++)
        {
            _states[i].Gradient = (torch.Tensor?)gradients[i].Elements.Owner;
            missing += gradients[i].IsNone ? 1 : 0;
        }

        return missing;
    }

    public void Prepare(IRuleSource source, StepPlan[] plans)
    {
        _plans = plans;
        foreach (TensorPass pass in _passes)
            pass.Prepare(source, in plans[pass.Group]);
    }

    public bool Reduce(out GradientNorm norm, ref int missing)
    {
        using var noGrad = torch.no_grad();
        return TensorReduction.Run(_states, in _plans[0], _pieceLength, out norm);
    }

    public void Run()
    {
        using var noGrad = torch.no_grad();
        try
        {
            foreach (TensorPass pass in _passes)
                pass.Run();
        }
        catch (Exception e)
        {
            throw new HalfMadeStepException(_slots!.Optimizer, e);
        }
        finally
        {
            foreach (TensorState state in _states)
                state.Gradient = null;
        }
    }

    public IExecutor ForCopies() => throw new NotSupportedException("Tensors of a device are stepped; StatelessApply is for memory.");

    public void Dispose()
    {
        foreach (TensorState state in _states)
            state.Dispose();
    }
}
