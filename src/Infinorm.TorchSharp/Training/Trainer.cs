using Infinorm.Checkpoints;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>
/// Trains, evaluates and runs a model. It combines <c>compile</c>, <c>fit</c>, <c>evaluate</c> and <c>predict</c> of Keras. It does not own
/// the model, the optimizer or the data. Only one thread may use it at a time.
/// </summary>
public sealed partial class Trainer
{
    /// <summary>Brings together a model of one input and one output and what it is trained with.</summary>
    /// <param name="model">The model.</param>
    /// <param name="loss">
    /// Takes predictions and targets of a batch and returns a scalar tensor, the mean over the batch, such as
    /// <c>nn.CrossEntropyLoss().forward</c>, or a value for each example along the first axis, whose mean is taken. If examples have
    /// weights, it must return a value for each.
    /// </param>
    /// <param name="optimizer">
    /// The optimizer for the model, such as <c>new Adamax(1e-3).For(model)</c> or one of <c>torch.optim</c>.
    /// </param>
    /// <exception cref="ArgumentException">No parameter of the optimizer is trainable, or it is LBFGS.</exception>
    public Trainer(nn.Module<Tensor, Tensor> model, Func<Tensor, Tensor, Tensor> loss, optim.Optimizer optimizer)
        : this(Checked(model), inputs => [model.forward(Only(inputs))], LossOfOne(loss), optimizer)
    {
    }

    /// <summary>Makes an optimizer for a model of one input and one output, where the model is.</summary>
    /// <param name="model">The model.</param>
    /// <param name="loss">
    /// As <see cref="Trainer(nn.Module{Tensor, Tensor}, Func{Tensor, Tensor, Tensor}, optim.Optimizer)"/> has it.
    /// </param>
    /// <param name="optimizer">
    /// An optimizer that is not built yet, such as <c>new Adamax(1e-3)</c>. This call builds it for the model. The result is in
    /// <see cref="Optimizer"/>, which the caller may dispose after the training.
    /// </param>
    /// <exception cref="ArgumentException">The model has no parameters that can be trained, or two overlap in memory.</exception>
    /// <exception cref="InvalidOperationException">The optimizer is built.</exception>
    public Trainer(nn.Module<Tensor, Tensor> model, Func<Tensor, Tensor, Tensor> loss, Infinorm.Optimizer optimizer)
        : this(model, loss, optimizer, Devices.Of(Checked(model)))
    {
    }

    /// <summary>Moves a model of one input and one output to a device, and makes an optimizer for it there.</summary>
    /// <param name="model">The model.</param>
    /// <param name="loss">
    /// As <see cref="Trainer(nn.Module{Tensor, Tensor}, Func{Tensor, Tensor, Tensor}, optim.Optimizer)"/> has it.
    /// </param>
    /// <param name="optimizer">One that is not built yet.</param>
    /// <param name="device">Where to train, such as <c>CUDA</c>.</param>
    /// <inheritdoc cref="Trainer(nn.Module{Tensor, Tensor}, Func{Tensor, Tensor, Tensor}, Infinorm.Optimizer)" path="/exception"/>
    public Trainer(
        nn.Module<Tensor, Tensor> model, Func<Tensor, Tensor, Tensor> loss, Infinorm.Optimizer optimizer, Device device)
        : this(Checked(model), loss, OptimizerFor(model, loss, optimizer, device))
    {
    }

    /// <summary>Brings together a model of any inputs and outputs and what it is trained with.</summary>
    /// <param name="model">The model, whose mode is set, and whose parameters and buffers are saved.</param>
    /// <param name="forward">
    /// Takes the inputs of a batch and returns the model's outputs, such as <c>inputs =&gt; [model.forward(inputs[0], inputs[1])]</c>.
    /// </param>
    /// <param name="loss">
    /// Takes the outputs and the targets of a batch and returns a scalar tensor, the mean over the batch, or a value for each example.
    /// </param>
    /// <param name="optimizer">The optimizer for the model.</param>
    /// <exception cref="ArgumentException">No parameter of the optimizer is trainable, or it is LBFGS.</exception>
    public Trainer(
        nn.Module model, Func<IReadOnlyList<Tensor>, IReadOnlyList<Tensor>> forward,
        Func<IReadOnlyList<Tensor>, IReadOnlyList<Tensor>, Tensor> loss, optim.Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(forward);
        ArgumentNullException.ThrowIfNull(loss);
        ArgumentNullException.ThrowIfNull(optimizer);
        (Model, Optimizer, Driver, Forward) = (model, optimizer, OptimizerDriver.Of(optimizer), new ForwardPass(forward, loss));
        Device = Devices.Of(model);
        Parameter[] parameters = Driver.Parameters;
        if (!parameters.Any(parameter => parameter.requires_grad))
        {
            throw new ArgumentException(
                $"None of the optimizer's {parameters.Length} parameters is trainable: all are frozen (requires_grad = false). Set "
                + "requires_grad to true where something is to be learnt.", nameof(optimizer));
        }
    }

    /// <summary>The model.</summary>
    public nn.Module Model { get; }

    /// <summary>The optimizer.</summary>
    public optim.Optimizer Optimizer { get; }

    /// <summary>
    /// The device to which data are moved before the model gets them; data that are there already are not copied. The default is the
    /// device of the model. The model must be on this device: move it before you make its optimizer.
    /// </summary>
    /// <exception cref="ArgumentException">The model is elsewhere.</exception>
    public Device Device
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            Devices.RequireOn(Model, value, nameof(Device));
            field = value;
        }
    }

    internal OptimizerDriver Driver { get; }

    internal ForwardPass Forward { get; }

    /// <summary>
    /// The metrics that are computed beside the loss. Their names must differ, and must be neither <c>loss</c> nor <c>learning_rate</c>. The
    /// default is none. Keras: <c>metrics</c>.
    /// </summary>
    /// <exception cref="ArgumentException">A name is taken: histories could not hold both values.</exception>
    public IReadOnlyList<Metric> Metrics
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            HashSet<string> taken = ["loss", "val_loss", "learning_rate"];
            foreach (Metric metric in value)
            {
                if (!taken.Add(metric.Name) || !taken.Add($"val_{metric.Name}"))
                    throw new ArgumentException($"The name of the metric '{metric.Name}' is taken; give it another one.", nameof(Metrics));
            }

            field = [.. value];
        }
    } = [];

    /// <summary>Trains the model with examples in two tensors, as <see cref="TensorBatches"/> makes batches of them.</summary>
    /// <param name="inputs">The examples, along the first axis.</param>
    /// <param name="targets">What should be predicted for each.</param>
    /// <param name="batchSize">Examples in a batch, ≥ 1. The default is 32.</param>
    /// <param name="epochs">How many times to go through the data, ≥ 1. The default is 1.</param>
    /// <param name="options">Validation, weights of classes, callbacks, seed, resuming.</param>
    /// <param name="shuffle">Whether each epoch has a new random order. The default is true.</param>
    /// <param name="weights">How much each example counts, as <see cref="Batch.Weights"/>; null, the default, for 1 each.</param>
    /// <param name="cancellationToken">
    /// Stops the training after the present step; <see cref="Callbacks.Checkpoint"/> then saves the run.
    /// </param>
    /// <inheritdoc cref="Fit(IEnumerable{Batch}, int, FitOptions?, CancellationToken)" path="/returns|/exception"/>
    public History Fit(
        Tensor inputs, Tensor targets, int batchSize = 32, int epochs = 1, FitOptions? options = null, bool shuffle = true,
        Tensor? weights = null, CancellationToken cancellationToken = default) =>
        Fit(new TensorBatches(inputs, targets, batchSize, shuffle, weights: weights), epochs, options, cancellationToken);

    /// <summary>Trains a model of several inputs or outputs with examples in tensors.</summary>
    /// <param name="inputs">The examples: a tensor for each input, the examples along its first axis.</param>
    /// <param name="targets">What should be predicted: a tensor for each target that the loss needs.</param>
    /// <param name="batchSize">Examples in a batch, ≥ 1. The default is 32.</param>
    /// <param name="epochs">How many times to go through the data, ≥ 1. The default is 1.</param>
    /// <param name="options">Validation, callbacks, seed, resuming.</param>
    /// <param name="shuffle">Whether each epoch has a new random order. The default is true.</param>
    /// <param name="weights">How much each example counts, as <see cref="Batch.Weights"/>; null, the default, for 1 each.</param>
    /// <param name="cancellationToken">
    /// Stops the training after the present step; <see cref="Callbacks.Checkpoint"/> then saves the run.
    /// </param>
    /// <inheritdoc cref="Fit(IEnumerable{Batch}, int, FitOptions?, CancellationToken)" path="/returns|/exception"/>
    public History Fit(
        IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor> targets, int batchSize = 32, int epochs = 1, FitOptions? options = null,
        bool shuffle = true, Tensor? weights = null, CancellationToken cancellationToken = default) =>
        Fit(new TensorBatches(inputs, targets, batchSize, shuffle, weights: weights), epochs, options, cancellationToken);

    /// <summary>
    /// Trains the model. If the optimizer keeps averages, they become the weights after the last epoch. Keras: <c>fit</c>.
    /// </summary>
    /// <param name="data">
    /// Batches, enumerated once an epoch: <see cref="TensorBatches"/>, a data loader's
    /// <see cref="DataLoaders.Pairs(DataLoader{IList{Tensor}, IList{Tensor}})"/>, a list such as <c>[(input, target)]</c>, an iterator.
    /// Tensors that are created when a batch is requested are disposed after its step; those that existed before stay.
    /// </param>
    /// <param name="epochs">How many times to go through the data, ≥ 1.</param>
    /// <param name="options">Validation, callbacks, seed, resuming.</param>
    /// <param name="cancellationToken">
    /// Stops the training after the present step; <see cref="Callbacks.Checkpoint"/> then saves the run.
    /// </param>
    /// <returns>The values of each epoch.</returns>
    /// <exception cref="OperationCanceledException">The training was cancelled.</exception>
    /// <exception cref="ArgumentException">
    /// A batch does not fit the model or the loss, weights are negative, an option cannot be used with these data, or the file to resume
    /// from is of another run.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The data are empty, the loss is no scalar, does not depend on the model's parameters, or is not finite at the first step.
    /// </exception>
    /// <exception cref="InvalidFileException">The file to resume from is malformed.</exception>
    public History Fit(
        IEnumerable<Batch> data, int epochs = 1, FitOptions? options = null,
        CancellationToken cancellationToken = default) => Fit(data, options?.ValidationData, first: null, epochs, options, cancellationToken);

    /// <summary>As Fit, with these validation data in place of those of the options, and a callback that is told before theirs.</summary>
    internal History Fit(
        IEnumerable<Batch> data, IEnumerable<Batch>? validation, Callback? first, int epochs, FitOptions? options,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (options?.ValidationSplit is { } part)
        {
            (data, validation) = (data, validation) switch
            {
                (TensorBatches batches, null) => batches.Split(part),
                (_, null) => throw new ArgumentException(
                    "A validation split needs TensorBatches as data: others have no known last examples. Give validation data instead.",
                    nameof(options)),
                _ => throw new ArgumentException("Give a validation split or validation data, not both.", nameof(options)),
            };
        }

        int? count = data is IReadOnlyCollection<Batch> counted ? counted.Count : null;
        return new TrainingLoop(this, () => BatchStream.Of(data), count, (data as TensorBatches)?.ToString(), validation, first, epochs, options)
            .RunAsync(cancellationToken).GetAwaiter().GetResult(); // nothing in it waits
    }

    /// <summary>
    /// As <see cref="Fit(IEnumerable{Batch}, int, FitOptions?, CancellationToken)"/>, with batches from an asynchronous source.
    /// </summary>
    /// <param name="data">Batches, enumerated once an epoch. The source disposes each batch when the next one is requested.</param>
    /// <param name="epochs">How many times to go through the data, ≥ 1.</param>
    /// <param name="options">Validation data (a split is for <see cref="TensorBatches"/>), callbacks, seed, resuming.</param>
    /// <param name="cancellationToken">
    /// Stops the training after the present step; <see cref="Callbacks.Checkpoint"/> then saves the run.
    /// </param>
    /// <inheritdoc cref="Fit(IEnumerable{Batch}, int, FitOptions?, CancellationToken)" path="/exception|/returns|/typeparam"/>
    public Task<History> FitAsync(
        IAsyncEnumerable<Batch> data, int epochs = 1, FitOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (options?.ValidationSplit is not null)
            throw new ArgumentException("A stream of batches cannot be split; give validation data instead.", nameof(options));
        return new TrainingLoop(this, () => BatchStream.Of(data), count: null, description: null, options?.ValidationData, first: null, epochs, options)
            .RunAsync(cancellationToken);
    }

    /// <summary>
    /// Sets model and optimizer to the state of a file that <see cref="Callbacks.Checkpoint"/> or <see cref="TrainingRun.Save"/> wrote. If the
    /// optimizer keeps averages, they become the weights of the model, as after Fit. Everything is checked before anything is changed.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidFileException">The file is malformed or no run.</exception>
    /// <exception cref="CheckpointMismatchException">It does not fit; the message lists every difference.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public void Restore(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        RunFile.RestoreModel(this, path);
        Driver.FinalizeAverages();
    }

    /// <summary>Writes the model's parameters and persistent buffers, as they are, by their names to a file of safetensors.</summary>
    /// <param name="path">The file. It is replaced as a whole.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void SaveWeights(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ModelTensors.Save(Model, path);
    }

    /// <summary>
    /// Reads the model's weights from a safetensors file that <see cref="SaveWeights"/>, <see cref="TrainingRun.SaveWeights"/> or a PyTorch
    /// program wrote. Names, shapes and types must be those of the model. Everything is checked before anything is changed. The optimizer
    /// stays as it is.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidFileException">The file is malformed.</exception>
    /// <exception cref="CheckpointMismatchException">It does not fit; the message lists every difference.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public void LoadWeights(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ModelTensors.Load(Model, path);
    }

    static nn.Module<Tensor, Tensor> Checked(nn.Module<Tensor, Tensor> model) => model ?? throw new ArgumentNullException(nameof(model));

    static Func<IReadOnlyList<Tensor>, IReadOnlyList<Tensor>, Tensor> LossOfOne(Func<Tensor, Tensor, Tensor> loss)
    {
        ArgumentNullException.ThrowIfNull(loss);
        return (predictions, targets) => loss(predictions[0], Only(targets));
    }

    static Tensor Only(IReadOnlyList<Tensor> tensors) => tensors.Count == 1
        ? tensors[0]
        : throw new ArgumentException(
            $"The model has one input and one output, and the batch {tensors.Count} inputs or targets. Give the trainer a function for the "
            + "forward pass of a model of several.");

    static TorchOptimizer OptimizerFor(
        nn.Module model, Func<Tensor, Tensor, Tensor> loss, Infinorm.Optimizer optimizer, Device device)
    {
        ArgumentNullException.ThrowIfNull(loss);
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(device);
        model.to(device);
        return optimizer.For(model);
    }
}
