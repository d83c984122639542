using Infinorm.Checkpoints;
using Infinorm.Execution;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>An optimizer as training needs it: one of Infinorm's, which can do more, or one of TorchSharp's.</summary>
abstract class OptimizerDriver
{
    /// <summary>The parameters that are trained.</summary>
    public abstract Parameter[] Parameters { get; }

    /// <summary>What the last step did; null before the first, and of an optimizer that does not tell.</summary>
    public virtual StepInfo? LastStep => null;

    /// <summary>The learning rate of the next step, or that of the last one where the optimizer tells it.</summary>
    public abstract double LearningRate { get; set; }

    /// <summary>Gradients that wait for an update.</summary>
    public virtual int PendingCalls => 0;

    /// <summary>Whether steps with gradients that are not finite are passed over.</summary>
    public virtual bool SkipsNonFinite => false;

    /// <exception cref="NotSupportedException">Its state can be neither remembered nor written.</exception>
    public virtual void RequireSavable()
    {
    }

    public static OptimizerDriver Of(optim.Optimizer optimizer) =>
        optimizer is TorchOptimizer own ? new InfinormDriver(own) : new TorchDriver(optimizer);

    /// <summary>The ranks that train together; null for this process by itself.</summary>
    public virtual World? World => null;

    /// <summary>Puts the model's buffers back, until <see cref="Step"/>, to what they were when the update began, where ranks share them.</summary>
    public virtual void HoldBuffers()
    {
    }

    /// <summary>Drops the gradients.</summary>
    public virtual void DropGradients()
    {
        foreach (Parameter parameter in Parameters)
            parameter.grad = null;
    }

    /// <summary>The loss to call <c>backward</c> on.</summary>
    public virtual Tensor ScaleLoss(Tensor loss) => loss;

    public abstract void Step();

    /// <summary>Puts averages into the model until the result is disposed; null without averages.</summary>
    public virtual IDisposable? UseAverages() => null;

    /// <summary>Leaves the averages in the parameters, where there are some.</summary>
    public virtual void FinalizeAverages()
    {
    }

    /// <summary>Remembers state and learning rate. What is returned puts them back.</summary>
    public abstract Action Remember();

    /// <summary>The parameters that a file with the optimizer's state has, too: <see cref="NativeTensor.IdentityOf"/> of each.</summary>
    public virtual HashSet<nint> SavedParameters => [];

    /// <summary>Writes the state, with more tensors and metadata, to a file, which is replaced as a whole.</summary>
    public abstract void Write(string path, IEnumerable<SafetensorsTensor> more, IEnumerable<KeyValuePair<string, string>> metadata);

    /// <summary>What speaks against reading the state from a file, as far as it can be said at once; null for nothing.</summary>
    public abstract string? Difference(SafetensorsFile file);

    /// <summary>Reads the state.</summary>
    /// <param name="file">The file.</param>
    /// <param name="root">What the names begin with that <see cref="Write"/> was given.</param>
    /// <param name="whenChecked">Called when it is known that the state fits, before anything changes.</param>
    public abstract void Restore(SafetensorsFile file, string root, Action whenChecked);
}

/// <summary>One of Infinorm's optimizers.</summary>
sealed class InfinormDriver(TorchOptimizer torchOptimizer) : OptimizerDriver
{
    readonly Optimizer _optimizer = torchOptimizer.Optimizer;

    public override Parameter[] Parameters => [.. torchOptimizer.parameters()];

    public override StepInfo? LastStep => torchOptimizer.LastStep;

    // A schedule cannot be replaced by a number, but by a function.
    public override double LearningRate
    {
        get => LastStep?.LearningRate ?? 0;
        set => _optimizer.LearningRate = _optimizer.LearningRate.Value is null ? new Schedules.LearningRate(() => value) : value;
    }

    public override int PendingCalls => _optimizer.PendingCalls;

    public override World? World => _optimizer.World;

    public override void HoldBuffers() => torchOptimizer.HoldBuffers();

    public override void DropGradients() => torchOptimizer.zero_grad();

    public override bool SkipsNonFinite => _optimizer.SkipsNonFinite;

    public override Tensor ScaleLoss(Tensor loss) => torchOptimizer.ScaleLoss(loss);

    public override void Step() => torchOptimizer.step();

    public override IDisposable? UseAverages() => _optimizer.HasAverages ? torchOptimizer.UseAverages() : null;

    public override void FinalizeAverages()
    {
        if (_optimizer.HasAverages)
            torchOptimizer.FinalizeVariableValues();
    }

    public override Action Remember()
    {
        Variables.NdArray[] state = [.. _optimizer.Variables.Select(variable => variable.ToNdArray())];
        Schedules.LearningRate? schedule = _optimizer.LearningRate.Value is null ? _optimizer.LearningRate : null;
        return () =>
        {
            if (schedule is not null)
                _optimizer.LearningRate = schedule;
            _optimizer.SetWeights(state);
        };
    }

    public override HashSet<nint> SavedParameters => [.. Parameters.Select(NativeTensor.IdentityOf)];

    public override void Write(string path, IEnumerable<SafetensorsTensor> more, IEnumerable<KeyValuePair<string, string>> metadata)
    {
        using var _ = _optimizer.Enter();
        torchOptimizer.Locate();
        _optimizer.WriteFile(path, keep: 0, stream => CheckpointFile.Write(_optimizer, stream, includeVariables: true, more, metadata));
    }

    public override string? Difference(SafetensorsFile file) => file.Tensors.ContainsKey(TorchDriver.State)
        ? $"optimizer: one of TorchSharp's in the file, {_optimizer.GetType().Name} here"
        : null;

    public override void Restore(SafetensorsFile file, string root, Action whenChecked)
    {
        using var _ = _optimizer.Enter();
        torchOptimizer.Locate();
        CheckpointFile.Restore(_optimizer, file, new LoadOptions { IgnoreExtra = [root] }, whenChecked);
        torchOptimizer.WriteBack();
    }
}
