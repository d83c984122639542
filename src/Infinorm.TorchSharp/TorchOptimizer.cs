using Infinorm.Checkpoints;
using Infinorm.Execution.Memory;
using Infinorm.Schedules;
using Infinorm.Variables;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch.optim;

namespace Infinorm.Torch;

/// <summary>
/// An Infinorm optimizer as a <c>torch.optim.Optimizer</c>: it steps the memory of CPU parameters in place, and parameters on other
/// devices by tensor operations there, if any of them is on another device.
/// Made by <see cref="TorchOptimizers.For(Infinorm.Optimizer, torch.nn.Module)"/> and its overloads.
/// </summary>
public sealed class TorchOptimizer : torch.optim.Optimizer, torch.optim.IBetas
{
    readonly OptimizedParameter[] _parameters;
    readonly List<TensorExecutor> _executors = []; // none where the parameters are in memory
    readonly Gradient[] _gradients;
    readonly GroupController[] _groups;
    SharedBuffers? _buffers; // of a model that several ranks train
    bool _isDisposed;

    /// <param name="optimizer">Not yet built.</param>
    /// <param name="groups">The parameters.</param>
    /// <param name="onTensors">Whether to step by tensor operations even where all parameters are on the CPU.</param>
    internal TorchOptimizer(Infinorm.Optimizer optimizer, IReadOnlyList<ParameterGroup> groups, bool onTensors = false)
        : base(IntPtr.Zero)
    {
        Check(optimizer, groups);
        Optimizer = optimizer;
        (string Name, Parameter Parameter)[] parameters = [.. groups.SelectMany(group => group.Parameters)];
        onTensors |= parameters.Any(named => !named.Parameter.IsInvalid && named.Parameter.device_type != DeviceType.CPU);
        if (onTensors)
            optimizer.UseExecutor(NewExecutor);
        var made = new List<OptimizedParameter>();
        try
        {
            foreach ((string name, Parameter parameter) in parameters)
            {
                made.Add(!onTensors
                    ? new MemoryParameter(name, parameter, NativeTensor.IsAvailable)
                    : new TensorParameter(name, parameter));
            }

            int next = 0;
            optimizer.Build([.. groups.Select(group => group.Of(group.Parameters.Select(_ => made[next++].Variable).ToArray()))]);
        }
        catch
        {
            made.ForEach(parameter => parameter.Dispose());
            throw;
        }

        _groups =
        [
            .. optimizer.Steppers.Where(stepper => stepper.IsBuilt).SelectMany(stepper => stepper.Groups.Select(
                group => new GroupController(stepper, group, isOnly: stepper.Groups.Count == 1))),
        ];
        _parameters = [.. made];
        _gradients = new Gradient[_parameters.Length];
    }

    TorchOptimizer(Infinorm.Optimizer optimizer, OptimizedParameter[] parameters)
        : base(IntPtr.Zero)
    {
        Optimizer = optimizer;
        _groups = [.. optimizer.Groups.Select(group => new GroupController(optimizer, group, isOnly: optimizer.Groups.Count == 1))];
        _parameters = parameters;
        _gradients = new Gradient[_parameters.Length];
    }

    /// <summary>
    /// The optimizer that steps, to read its counters, to save and load its state. Its variables are named as the parameters, with
    /// <c>/</c> for <c>.</c>
    /// </summary>
    public Infinorm.Optimizer Optimizer { get; }

    /// <summary>What the last step did, such as whether it was skipped; null before the first.</summary>
    public StepInfo? LastStep { get; private set; }

    /// <summary>Whether a step runs on libtorch's threads if it can; see <see cref="LibtorchTeam"/>.</summary>
    internal bool UsesLibtorchThreads { get; set; } = true;

    /// <summary>The groups, each with its learning rate, for schedulers.</summary>
    public override IEnumerable<ILearningRateController> ParamGroups => _groups;

    /// <summary>The decay rates of the mean and the norm of the gradients, which are the same for all groups.</summary>
    /// <exception cref="NotSupportedException">The optimizer has none.</exception>
    public (double, double) Betas
    {
        get => _groups[0].Betas;
        set
        {
            foreach (GroupController group in _groups)
                group.Betas = value;
        }
    }

    /// <summary>The parameters, in the order of the optimizer's variables.</summary>
    /// <exception cref="InvalidOperationException">A parameter was disposed or moved since the optimizer was made.</exception>
    public override IEnumerable<Parameter> parameters()
    {
        foreach (OptimizedParameter parameter in _parameters)
            parameter.CheckValid();
        return _parameters.Select(optimized => optimized.Parameter);
    }

    /// <summary>
    /// The loss to call <c>backward</c> on: multiplied by the loss scale where there is one, so that 16-bit gradients do not underflow.
    /// </summary>
    /// <param name="loss">The loss.</param>
    /// <returns>A new tensor.</returns>
    public torch.Tensor ScaleLoss(torch.Tensor loss)
    {
        ArgumentNullException.ThrowIfNull(loss);
        return loss.With(Optimizer.ScaleLoss(1.0), static (value, scale) => value.mul(scale));
    }

    /// <summary>For an optimizer that is built for variables whose memory parameters view.</summary>
    /// <param name="optimizer">Built for the variables, in their order.</param>
    /// <param name="parameters">Each parameter, with its name in the model.</param>
    internal static TorchOptimizer Over(
        Infinorm.Optimizer optimizer, IEnumerable<(string Name, Parameter Parameter, Variable Variable)> parameters) => new(
            optimizer,
            [.. parameters.Select(shared => new MemoryParameter(shared.Name, shared.Parameter, NativeTensor.IsAvailable, shared.Variable))]);

    /// <summary>
    /// Steps the parameters by their gradients; those without one, and frozen ones (<c>requires_grad</c> is false), stay as they are.
    /// </summary>
    /// <param name="closure">Computes the loss and its gradients before the step; null if that was done.</param>
    /// <returns>What the closure returned; null without one.</returns>
    /// <exception cref="ArgumentException">No parameter has a gradient.</exception>
    /// <exception cref="InvalidOperationException">A parameter was disposed, moved or changed since the optimizer was made.</exception>
    /// <exception cref="NotSupportedException">Groups have different betas.</exception>
    public override torch.Tensor step(Func<torch.Tensor>? closure = null)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        torch.Tensor? loss = null;
        try
        {
            try
            {
                loss = Fetch(closure);
            }
            catch (Exception e)
            {
                Optimizer.FailTogether(e);
                throw;
            }

            int batch = _buffers is null ? 0 : Optimizer.PendingCalls / Optimizer.World!.Size;
            Job.Borrowed = UsesLibtorchThreads ? LibtorchTeam.Instance : null;
            LastStep = Optimizer.Apply(_gradients);
            _buffers?.End(batch, LastStep.Value.Result);
        }
        catch
        {
            _buffers?.Reset();
            throw;
        }
        finally
        {
            Job.Borrowed = null;
            foreach (OptimizedParameter parameter in _parameters)
                parameter.ReleaseGradient();
        }

        WriteBack();
        return loss!; // TorchSharp's declaration knows no null
    }

    // The loss, if there is a closure, and the gradients.
    torch.Tensor? Fetch(Func<torch.Tensor>? closure)
    {
        torch.Tensor? loss = null;
        if (closure is not null)
        {
            using var grad = torch.enable_grad();
            loss = closure();
        }

        CheckBetas();
        Locate();
        for (int i = 0; i < _parameters.Length; i++)
            _gradients[i] = _parameters[i].Parameter.requires_grad ? _parameters[i].FetchGradient() : default;
        return loss;
    }

    /// <summary>
    /// Drops the gradients, as PyTorch does (<c>set_to_none</c>), so that a parameter that the next loss does not depend on stays as it is.
    /// </summary>
    /// <exception cref="InvalidOperationException">A parameter was disposed or moved since the optimizer was made.</exception>
    public override void zero_grad()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        foreach (Parameter parameter in parameters())
            parameter.grad = null;
        _buffers?.Begin();
    }

    /// <summary>
    /// The optimizer's learning rate, which groups have that have none of their own; see <see cref="Infinorm.Optimizer.LearningRate"/>.
    /// </summary>
    /// <inheritdoc cref="Infinorm.Optimizer.LearningRate" path="/exception"/>
    public LearningRate LearningRate
    {
        get => Optimizer.LearningRate;
        set => Optimizer.LearningRate = value;
    }

    /// <inheritdoc cref="Infinorm.Optimizer.CurrentLearningRate"/>
    public double CurrentLearningRate => Optimizer.CurrentLearningRate;

    /// <inheritdoc cref="Infinorm.Optimizer.Save(string, bool, int)"/>
    public void Save(string path, bool includeVariables = true, int keep = 0)
    {
        Locate();
        Optimizer.Save(path, includeVariables, keep);
    }

    /// <inheritdoc cref="Infinorm.Optimizer.Save(Stream, bool)"/>
    public void Save(Stream stream, bool includeVariables = true)
    {
        Locate();
        Optimizer.Save(stream, includeVariables);
    }

    /// <inheritdoc cref="Infinorm.Optimizer.Restore(string, LoadOptions?)"/>
    public void Restore(string path, LoadOptions? options = null)
    {
        Locate();
        Optimizer.Restore(path, options);
        WriteBack();
    }

    /// <inheritdoc cref="Infinorm.Optimizer.Restore(Stream, LoadOptions?)"/>
    public void Restore(Stream stream, LoadOptions? options = null)
    {
        Locate();
        Optimizer.Restore(stream, options);
        WriteBack();
    }

    /// <inheritdoc cref="Infinorm.Optimizer.FinalizeVariableValues()"/>
    public void FinalizeVariableValues()
    {
        Locate();
        Optimizer.FinalizeVariableValues();
        WriteBack();
    }

    /// <summary>
    /// Puts the averages into the parameters until the result is disposed: <c>using (optimizer.UseAverages()) Evaluate();</c>. In between
    /// the optimizer cannot step.
    /// </summary>
    /// <inheritdoc cref="Infinorm.Optimizer.UseAverages()"/>
    public IDisposable UseAverages()
    {
        Locate();
        var averages = new AveragesInUse(this, Optimizer.UseAverages());
        try
        {
            WriteBack();
            return averages;
        }
        catch
        {
            averages.Dispose();
            throw;
        }
    }

    /// <summary>Not supported: an optimizer's variables are fixed when it is made.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override void add_param_group(ParamGroup param_group) => throw new NotSupportedException(
        "Parameters cannot be added to an Infinorm optimizer: give all groups to For, or make another optimizer for them.");

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (!disposing || _isDisposed)
            return;
        _isDisposed = true;
        foreach (OptimizedParameter parameter in _parameters)
            parameter.Dispose();
        _executors.ForEach(executor => executor.Dispose());
        _buffers?.Dispose();
    }

    /// <summary>See <see cref="SharedBuffers.Hold"/>.</summary>
    internal void HoldBuffers() => _buffers?.Hold();

    /// <summary>Has the ranks begin with the buffers of rank 0, and keeps them the same.</summary>
    internal void ShareBuffers(torch.nn.Module model, Execution.World world)
    {
        var buffers = new SharedBuffers(model, world, Optimizer);
        if (world.BatchesPerUpdate > 1)
            _buffers = buffers;
        else
            buffers.Dispose();
    }

    TensorExecutor NewExecutor()
    {
        _executors.Add(new TensorExecutor());
        return _executors[^1];
    }

    static void Check(Infinorm.Optimizer optimizer, IReadOnlyList<ParameterGroup> groups)
    {
        if (optimizer.IsBuilt)
            throw new InvalidOperationException($"{optimizer.Name} is built already; make a new optimizer for the parameters.");
        var names = new HashSet<string>();
        var handles = new Dictionary<nint, string>();
        foreach ((string name, Parameter parameter) in groups.SelectMany(group => group.Parameters))
        {
            if (string.IsNullOrEmpty(name) || parameter is null)
                throw new ArgumentException($"Each parameter has a name, found {(parameter is null ? "no parameter" : "none")}.", nameof(groups));
            if (!names.Add(name))
                throw new ArgumentException($"{name}: two parameters have this name, by which the state is saved.", nameof(groups));
            if (!parameter.IsInvalid && !handles.TryAdd(NativeTensor.IdentityOf(parameter), name))
                throw new ArgumentException($"{name} and {handles[NativeTensor.IdentityOf(parameter)]} are the same parameter.", nameof(groups));
        }
    }

    void CheckBetas()
    {
        for (int i = 1; i < _groups.Length; i++)
        {
            if (!_groups[i].SharesBetasWith(_groups[0]))
                throw new NotSupportedException($"Groups 0 and {i} have different betas; they must be the same for all groups.");
        }
    }

    /// <summary>Has the optimizer's variables view the parameters where they are now.</summary>
    internal void Locate()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        foreach (OptimizedParameter parameter in _parameters)
            parameter.Locate();
    }

    /// <summary>Brings the parameters up to date with the optimizer's variables, where these are copies.</summary>
    internal void WriteBack()
    {
        foreach (OptimizedParameter parameter in _parameters)
            parameter.WriteBack();
    }

    sealed class AveragesInUse(TorchOptimizer optimizer, IDisposable averages) : IDisposable
    {
        bool _disposed;

        // The parameters may have moved meanwhile; whatever became of them, the optimizer can step again.
        public void Dispose()
        {
            if (_disposed)
                return;
            _disposed = true;
            try
            {
                if (!optimizer._isDisposed)
                    optimizer.Locate();
            }
            finally
            {
                averages.Dispose();
            }

            optimizer.WriteBack();
        }
    }
}
