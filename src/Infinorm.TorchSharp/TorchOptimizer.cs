using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch.optim;

namespace Infinorm.Torch;

/// <summary>
/// An Infinorm optimizer as a <c>torch.optim.Optimizer</c>: it steps the memory of CPU parameters in place. Its parameters are one group.
/// Made by <see cref="TorchOptimizers.For(Infinorm.Optimizer, torch.nn.Module)"/>.
/// </summary>
public sealed class TorchOptimizer : torch.optim.Optimizer
{
    readonly ParameterView[] _views;
    readonly Gradient[] _gradients;
    readonly Group[] _groups;

    internal TorchOptimizer(Infinorm.Optimizer optimizer, IEnumerable<(string Name, Parameter Parameter)> parameters)
        : base(IntPtr.Zero)
    {
        Optimizer = optimizer;
        _views = [.. parameters.Select(named => new ParameterView(named.Name, named.Parameter))];
        _gradients = new Gradient[_views.Length];
        _groups = [new Group(optimizer)];
        optimizer.Build(_views.Select(view => view.Variable));
    }

    /// <summary>
    /// The optimizer that steps, to read its counters, to scale losses, to save and load its state. Its variables are named as the
    /// parameters, with <c>/</c> for <c>.</c>
    /// </summary>
    public Infinorm.Optimizer Optimizer { get; }

    /// <summary>What the last step did, such as whether it was skipped; null before the first.</summary>
    public StepInfo? LastStep { get; private set; }

    /// <summary>The one group, whose learning rate is the optimizer's.</summary>
    public override IEnumerable<ILearningRateController> ParamGroups => _groups;

    /// <summary>The parameters, in the order of the optimizer's variables.</summary>
    public override IEnumerable<Parameter> parameters() => _views.Select(view => view.Parameter);

    /// <summary>Steps the parameters by their gradients; those without one stay as they are.</summary>
    /// <param name="closure">Computes the loss and its gradients before the step; null if that was done.</param>
    /// <returns>What the closure returned; null without one.</returns>
    /// <exception cref="ArgumentException">No parameter has a gradient.</exception>
    /// <exception cref="InvalidOperationException">A parameter was disposed or changed since the optimizer was made.</exception>
    /// <exception cref="NotSupportedException">A parameter was moved to another device.</exception>
    public override torch.Tensor step(Func<torch.Tensor>? closure = null)
    {
        torch.Tensor? loss = null;
        if (closure is not null)
        {
            using var grad = torch.enable_grad();
            loss = closure();
        }

        using var noGrad = torch.no_grad();
        bool stepped = false;
        try
        {
            for (int i = 0; i < _views.Length; i++)
                _gradients[i] = _views[i].Fetch();
            LastStep = Optimizer.Apply(_gradients);
            stepped = true;
        }
        finally
        {
            foreach (ParameterView view in _views)
                view.Release(stepped);
        }

        return loss!; // TorchSharp's declaration knows no null
    }

    internal void Locate() { }

    internal void Store() { }

    /// <summary>Fills the gradients with zeros.</summary>
    public override void zero_grad()
    {
        foreach (ParameterView view in _views)
        {
            using torch.Tensor? gradient = view.Parameter.grad;
            gradient?.zero_().Dispose();
        }
    }

    /// <summary>Not supported: an optimizer's variables are fixed when it is made.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override void add_param_group(ParamGroup param_group) => throw new NotSupportedException(
        "Parameters cannot be added to an Infinorm optimizer; make another optimizer for them.");

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (!disposing)
            return;
        foreach (ParameterView view in _views)
            view.Dispose();
    }

    sealed class Group(Infinorm.Optimizer optimizer) : ILearningRateController
    {
        public double LearningRate
        {
            get => optimizer.CurrentLearningRate;
            set => optimizer.LearningRate = value;
        }

        public double InitialLearningRate { get; set; } = optimizer.CurrentLearningRate;
    }
}
