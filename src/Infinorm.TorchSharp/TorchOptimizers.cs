using Infinorm.Execution;
using TorchSharp;
using TorchSharp.Modules;

namespace Infinorm.Torch;

/// <summary>Makes TorchSharp optimizers from Infinorm's.</summary>
public static class TorchOptimizers
{
    /// <summary>The optimizer for all parameters of a model. Parameters that parts of the model share are stepped once.</summary>
    /// <param name="optimizer">Any optimizer that is not built yet. This call builds it.</param>
    /// <param name="model">The model, already on the device that it will be trained on.</param>
    /// <exception cref="ArgumentException">The model has no parameters, or two overlap in memory.</exception>
    /// <exception cref="InvalidOperationException">The optimizer is built.</exception>
    /// <exception cref="NotSupportedException">A parameter is not of a floating-point type.</exception>
    public static TorchOptimizer For(this Optimizer optimizer, torch.nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return optimizer.For(model.named_parameters().DistinctBy(named =>
            named.parameter.IsInvalid ? 0 : NativeTensor.IdentityOf(named.parameter)));
    }

    /// <summary>
    /// The optimizer for all parameters of a model that several ranks train together, each with gradients of its part of the batches; see
    /// <see cref="Optimizer.Over"/>. All ranks begin with the parameters and buffers of rank 0.
    /// </summary>
    /// <remarks>
    /// Each batch starts from the buffers that its update began with, such as running means; at the end of the update they change by the mean of
    /// what the batches changed, counts by the sum. Call <see cref="TorchOptimizer.zero_grad"/> before each forward pass. libtorch, too, is told to
    /// use no more threads than a rank has.
    /// </remarks>
    /// <param name="optimizer">Any optimizer, not yet built; this builds it.</param>
    /// <param name="model">The model, on the CPU.</param>
    /// <param name="world">The ranks.</param>
    /// <exception cref="WorldException">The ranks have different models or settings.</exception>
    /// <inheritdoc cref="For(Optimizer, torch.nn.Module)" path="/returns|/exception"/>
    public static TorchOptimizer For(this Optimizer optimizer, torch.nn.Module model, World world)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(model);
        optimizer.Over(world);
        TorchOptimizer made = optimizer.For(model);
        made.ShareBuffers(model, world);
        if (world.ThreadsPerRank < torch.get_num_threads())
            torch.set_num_threads(world.ThreadsPerRank);
        return made;
    }

    /// <summary>The optimizer for named parameters.</summary>
    /// <param name="optimizer">Any optimizer that is not built yet. This call builds it.</param>
    /// <param name="parameters">Each parameter once, with its name in the model.</param>
    /// <inheritdoc cref="For(Optimizer, torch.nn.Module)" path="/exception|/returns|/typeparam"/>
    public static TorchOptimizer For(this Optimizer optimizer, IEnumerable<(string Name, Parameter Parameter)> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        return optimizer.For(new ParameterGroup(parameters));
    }

    /// <summary>The optimizer for groups of parameters, each with a learning rate and a weight decay of its own or the optimizer's.</summary>
    /// <remarks>
    /// Everything else covers all groups: clipping by global norm, loss scaling, accumulation, averages and the state. A
    /// checkpoint also holds the rates of the groups, as a scheduler has set them. When it is restored, the groups must have the same
    /// parameters and weight decays.
    /// </remarks>
    /// <param name="optimizer">Any optimizer that is not built yet. This call builds it.</param>
    /// <param name="groups">The groups. Each parameter is in one of them, with a unique name.</param>
    /// <inheritdoc cref="For(Optimizer, torch.nn.Module)" path="/exception|/returns|/typeparam"/>
    public static TorchOptimizer For(this Optimizer optimizer, params IReadOnlyList<ParameterGroup> groups)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(groups);
        return new TorchOptimizer(optimizer, groups);
    }
}
