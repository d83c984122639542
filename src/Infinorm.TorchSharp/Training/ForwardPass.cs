using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>The way from an input to a prediction and its loss, with messages that say what does not fit.</summary>
sealed class ForwardPass(nn.Module<Tensor, Tensor> model, Func<Tensor, Tensor, Tensor> loss)
{
    /// <summary>What the model makes of the input.</summary>
    /// <exception cref="ArgumentException">The input is disposed, or the model cannot take it.</exception>
    public Tensor Predict(Tensor input)
    {
        CheckAlive(input, "input");
        try
        {
            return model.forward(input);
        }
        catch (ExternalException e)
        {
            RequireNumbers(e);
            throw new ArgumentException(
                $"The model cannot take an input of shape {input.Shape()} and type {input.dtype}: {FirstLine(e)}. Compare the input's "
                + "shape and type with those that the model's first layers expect.", e);
        }
    }

    /// <summary>The loss of a prediction: a tensor of one number.</summary>
    /// <exception cref="ArgumentException">The target is disposed, or the loss cannot compare it with the prediction.</exception>
    /// <exception cref="InvalidOperationException">The loss is not one number.</exception>
    public Tensor Loss(Tensor prediction, Tensor target)
    {
        CheckAlive(target, "target");
        Tensor value;
        try
        {
            value = loss(prediction, target);
        }
        catch (ExternalException e)
        {
            RequireNumbers(e);
            throw new ArgumentException(
                $"The loss cannot compare a prediction of shape {prediction.Shape()} and type {prediction.dtype} with a target of shape "
                + $"{target.Shape()} and type {target.dtype}: {FirstLine(e)}. Change the model's output or the targets.", e);
        }

        return value.numel() == 1
            ? value
            : throw new InvalidOperationException(
                $"The loss has the shape {value.Shape()}; it must be one number. Reduce it, for instance by mean().");
    }

    static void CheckAlive(Tensor tensor, string name)
    {
        if (tensor.IsInvalid)
        {
            throw new ArgumentException(
                $"The {name} of the batch is disposed. Tensors that are made when a batch is asked for are disposed after its step: "
                + "give batches that make new tensors, or a list whose tensors are not disposed.");
        }
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
