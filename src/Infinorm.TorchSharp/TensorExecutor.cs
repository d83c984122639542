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
    const int Pieces = 64;

    /// <summary>A piece is not cut further.</summary>
    const int LeastPiece = 16 * 1024;

    TensorTarget[] _targets = [];
    TensorPass[] _passes = [];
    long _pieceLength;
    StepPlan _plan; // that of the first group

    public void Build(BuildRequest request)
    {
        if (request.RoundsAtRandom)
            throw new NotSupportedException($"{request.Slots.Optimizer} steps tensors of a device; stochastic rounding is for memory.");
        if (request.Slots.Places < request.Slots.Declared.Count)
            throw new NotSupportedException($"{request.Slots.Optimizer} steps tensors of a device; slots of other shapes are for memory.");
        var targets = new List<TensorTarget>();
        try
        {
            for (int i = 0; i < request.Variables.Length; i++)
                targets.Add(new TensorTarget(request, i));
        }
        catch
        {
            targets.ForEach(target => target.Dispose());
            throw;
        }

        _targets = [.. targets];
        _pieceLength = Math.Max(LeastPiece, _targets.Max(target => (long)target.Variable.Length) / Pieces);
        _passes =
        [
            .. _targets.GroupBy(target => (target.Group, target.ComputeType)).OrderBy(work => work.Key)
                .Select(work => new TensorPass([.. work], request.Slots, _pieceLength)),
        ];
    }

    public Variable? View(int variable, StateKind kind, int slot, string path) => (kind switch
    {
        StateKind.Average => _targets[variable].Average,
        StateKind.Accumulator => _targets[variable].Accumulator,
        StateKind.MasterWeights => _targets[variable].Master,
        _ => _targets[variable].Slots[slot],
    }) is { } tensor ? new TensorVariable(path, tensor) : null;

    public int Accept(ReadOnlySpan<Gradient> gradients)
    {
        int missing = 0;
        for (int i = 0; i < _targets.Length; i++)
        {
            _targets[i].Gradient = (torch.Tensor?)gradients[i].Spot.Owner;
            missing += gradients[i].IsNone ? 1 : 0;
        }

        return missing;
    }

    public void Prepare(IRuleSource source, ReadOnlySpan<StepPlan> plans)
    {
        _plan = plans[0];
        foreach (TensorPass pass in _passes)
            pass.Prepare(source, in plans[pass.Group]);
    }

    public bool Reduce(out GradientNorm norm)
    {
        using var noGrad = torch.no_grad();
        return TensorReduction.Run(_targets, in _plan, _pieceLength, out norm);
    }

    public void Run()
    {
        using var noGrad = torch.no_grad();
        try
        {
            foreach (TensorPass pass in _passes)
                pass.Run();
        }
        finally
        {
            foreach (TensorTarget target in _targets)
                target.Gradient = null;
        }
    }

    public IExecutor ForCopies() => throw new NotSupportedException("Tensors of a device are stepped; StatelessApply is for memory.");

    public void Dispose()
    {
        foreach (TensorTarget target in _targets)
            target.Dispose();
    }
}
