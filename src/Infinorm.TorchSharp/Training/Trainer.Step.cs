using System.Diagnostics;
using System.Runtime.InteropServices;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

public sealed partial class Trainer
{
    /// <summary>One step: gradients of the loss of a batch, then the optimizer.</summary>
    internal void Step(TrainingRun run, Tensor input, Tensor target)
    {
        using var scope = NewDisposeScope();
        using var grad = enable_grad();
        Optimizer.zero_grad();

        Tensor prediction = Forward(input);
        Tensor loss = ComputeLoss(prediction, target);
        if (!loss.requires_grad)
            throw LossWithoutParameters();
        run.Loss = loss.ToNumber();
        if (run.Step == 0 && !double.IsFinite(run.Loss))
            throw new InvalidOperationException(NonFinite.OfLoss(run, input, target, prediction));

        Optimizer.ScaleLoss(loss).backward();
        if (run.Step == 0 && !_parameters.Any(HasGradient))
            throw LossWithoutParameters();
        foreach (Callback callback in run.Options.Callbacks)
            callback.OnGradients(run);

        long start = Stopwatch.GetTimestamp();
        Optimizer.step();
        run.History.OptimizerTime += Stopwatch.GetElapsedTime(start);

        using var noGrad = no_grad();
        run.Means.Add(run.Loss, prediction, target);
    }

    static void CheckAlive(Tensor tensor, string name)
    {
        if (tensor.IsInvalid)
        {
            throw new ArgumentException(
                $"The {name} of the batch is disposed. Tensors that are made when a batch is asked for are disposed after its step: "
                + "give batches that make their tensors anew, or a list whose tensors nobody disposes.");
        }
    }

    Tensor Forward(Tensor input)
    {
        CheckAlive(input, "input");
        try
        {
            return Model.forward(input);
        }
        catch (ExternalException e)
        {
            RequireNumbers(e);
            throw new ArgumentException(
                $"The model cannot take an input of shape {input.Shape()} and type {input.dtype}: {FirstLine(e)}. Compare the input's "
                + "shape and type with those that the model's first layers expect.", e);
        }
    }

    Tensor ComputeLoss(Tensor prediction, Tensor target)
    {
        CheckAlive(target, "target");
        Tensor loss;
        try
        {
            loss = Loss(prediction, target);
        }
        catch (ExternalException e)
        {
            RequireNumbers(e);
            throw new ArgumentException(
                $"The loss cannot compare a prediction of shape {prediction.Shape()} and type {prediction.dtype} with a target of shape "
                + $"{target.Shape()} and type {target.dtype}: {FirstLine(e)}. Change the model's output or the targets.", e);
        }

        return loss.numel() == 1
            ? loss
            : throw new InvalidOperationException(
                $"The loss has the shape {loss.Shape()}; it must be one number. Reduce it, for instance by mean().");
    }

    InvalidOperationException LossWithoutParameters() => new(
        $"The loss does not depend on any of the optimizer's {_parameters.Length} parameters, so there is nothing to learn. Look for "
        + "detach(), no_grad() or integer operations in the model or the loss, and whether the optimizer was made for this model.");

    static bool HasGradient(Parameter parameter)
    {
        using Tensor? gradient = parameter.grad;
        return gradient is not null;
    }

    // Numbers are read in Scalar.h, which complains of nothing but one that was freed already: no input is to blame.
    static void RequireNumbers(ExternalException e)
    {
        if (e.Message.Contains("core/Scalar.h:", StringComparison.Ordinal))
        {
            throw new InvalidOperationException(
                "TorchSharp freed a number before libtorch had read it, because garbage was collected on another thread in the middle of a "
                + "call: a fault of TorchSharp, which shows seldom. Go on from the last checkpoint (ResumeFrom); docs/training.md says how to "
                + "make it less likely.", e);
        }
    }

    // libtorch appends its stack.
    static string FirstLine(ExternalException e) => e.Message.Split('\n')[0].TrimEnd('.');
}
