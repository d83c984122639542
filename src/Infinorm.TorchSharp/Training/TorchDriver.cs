using Infinorm.Checkpoints;
using Infinorm.Types;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>One of TorchSharp's optimizers. In files its state is what it writes itself, as bytes.</summary>
sealed class TorchDriver : OptimizerDriver
{
    /// <summary>Its name in files.</summary>
    public const string State = "run/torch_optimizer";

    readonly optim.Optimizer _optimizer;

    public TorchDriver(optim.Optimizer optimizer)
    {
        _optimizer = optimizer;
        if (optimizer is LBFGS)
        {
            throw new ArgumentException(
                "LBFGS computes the loss several times in a step, and Trainer once. Use it in a loop of your own.", nameof(optimizer));
        }
    }

    // Classes of users may derive from less.
    OptimizerHelper Stateful => _optimizer as OptimizerHelper ?? throw new NotSupportedException(
        $"{_optimizer.GetType().Name}: its state cannot be saved, because the class does not derive from {nameof(OptimizerHelper)}. "
        + "Save the weights only.");

    public override Parameter[] Parameters => [.. _optimizer.parameters()];

    public override double LearningRate
    {
        get => _optimizer.ParamGroups.First().LearningRate;
        set
        {
            foreach (optim.ILearningRateController group in _optimizer.ParamGroups)
                group.LearningRate = value;
        }
    }

    public override void RequireSavable() => _ = Stateful;

    public override void Step() => _optimizer.step();

    public override Action Remember()
    {
        byte[] state = Bytes();
        double[] rates = [.. _optimizer.ParamGroups.Select(group => group.LearningRate)];
        return () =>
        {
            Load(state);
            foreach (var (group, rate) in _optimizer.ParamGroups.Zip(rates))
                group.LearningRate = rate;
        };
    }

    public override void Write(string path, IEnumerable<SafetensorsTensor> more, IEnumerable<KeyValuePair<string, string>> metadata)
    {
        byte[] state = Bytes();
        SafetensorsTensor tensor = new(State, DType.UInt8, [state.Length], stream => stream.Write(state));
        AtomicFile.Write(path, stream => SafetensorsWriter.Write(stream, metadata, [.. more, tensor]));
    }

    public override string? Difference(SafetensorsFile file) =>
        file.Tensors.TryGetValue(State, out SafetensorsEntry? entry) && entry.DType == DType.UInt8
            ? null
            : $"optimizer: none of TorchSharp's in the file, {_optimizer.GetType().Name} here";

    // It checks nothing before it changes something, so what goes wrong is undone.
    public override void Restore(SafetensorsFile file, string root, Action whenChecked)
    {
        byte[] former = Bytes(), state = file.Read(file.Tensors[State]).Bytes.ToArray();
        try
        {
            Load(state);
            if (!Bytes().AsSpan().SequenceEqual(state))
                throw new FormatException("it is of other parameters or settings");
        }
        catch (Exception e)
        {
            Load(former);
            if (e is OutOfMemoryException)
                throw;
            throw new CheckpointMismatchException(
                file.Name, [$"optimizer: {_optimizer.GetType().Name} cannot read its state from the file: {e.Message}"]);
        }

        try
        {
            whenChecked();
        }
        catch
        {
            Load(former);
            throw;
        }
    }

    byte[] Bytes()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        Stateful.save_state_dict(writer);
        writer.Flush();
        return stream.ToArray();
    }

    // Some of its tensors are made anew, and are its own.
    void Load(byte[] state)
    {
        using DisposeScope scope = NewDisposeScope();
        using var reader = new BinaryReader(new MemoryStream(state));
        Stateful.load_state_dict(reader);
        scope.Detach(scope.DisposablesView);
    }
}
