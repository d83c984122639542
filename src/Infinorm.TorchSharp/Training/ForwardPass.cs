using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>The way from inputs to predictions and their loss, with messages that say what does not fit.</summary>
sealed class ForwardPass(
    Func<IReadOnlyList<Tensor>, IReadOnlyList<Tensor>> model, Func<IReadOnlyList<Tensor>, IReadOnlyList<Tensor>, Tensor> loss)
{
    /// <summary>What the model makes of inputs.</summary>
    /// <exception cref="ArgumentException">An input is disposed, or the model cannot take them.</exception>
    public IReadOnlyList<Tensor> Predict(IReadOnlyList<Tensor> inputs)
    {
        CheckAlive(inputs, "input");
        try
        {
            return model(inputs);
        }
        catch (ExternalException e)
        {
            RequireNumbers(e);
            throw new ArgumentException(
                $"The model cannot take {Describe(inputs, "an input")}: {FirstLine(e)}. Compare the input's "
                + "shape and type with those that the model's first layers expect.", e);
        }
    }

    /// <summary>The loss of predictions: a tensor of one number.</summary>
    /// <param name="predictions">What the model made of the batch.</param>
    /// <param name="batch">The batch.</param>
    /// <param name="weights">How much each example counts; null for 1 each.</param>
    /// <exception cref="ArgumentException">A target is disposed, or the loss cannot compare it with the prediction.</exception>
    /// <exception cref="InvalidOperationException">The loss is neither one number nor one for each example.</exception>
    public Tensor Loss(IReadOnlyList<Tensor> predictions, Batch batch, Tensor? weights)
    {
        CheckAlive(batch.Targets, "target");
        Tensor values;
        try
        {
            values = loss(predictions, batch.Targets);
        }
        catch (ExternalException e)
        {
            RequireNumbers(e);
            throw new ArgumentException(
                $"The loss cannot compare {Describe(predictions, "a prediction")} with {Describe(batch.Targets, "a target")}: "
                + $"{FirstLine(e)}. Change the model's output or the targets.", e);
        }

        long examples = predictions[0].dim() == 0 ? 1 : predictions[0].shape[0];
        bool isOfExamples = values.dim() > 0 && values.shape[0] == examples;
        if (weights is null && values.numel() == 1)
            return values;
        if (!isOfExamples)
        {
            throw new InvalidOperationException(weights is null
                ? $"The loss has the shape {values.Shape()}; it must be one number, or one for each of the {examples} examples, whose mean "
                    + "is taken. Reduce it, for instance by mean()."
                : $"The loss has the shape {values.Shape()}; examples are weighted, so it must be one number for each of the {examples} "
                    + "examples. Make the loss without a reduction, such as nn.CrossEntropyLoss(reduction: nn.Reduction.None).");
        }

        return weights is null ? values.mean() : Weighted(values, weights).mean();
    }

    static Tensor Weighted(Tensor values, Tensor weights)
    {
        Tensor fitting = weights.Like(values);
        return fitting.dim() == values.dim()
            && fitting.shape.Zip(values.shape).All(sizes => sizes.First == sizes.Second || sizes.First == 1)
            && fitting.shape[0] == values.shape[0]
            ? values * fitting.to(values.dtype)
            : throw new ArgumentException(
                $"The weights have the shape {weights.Shape()} and the losses {values.Shape()}; weights are of shape (examples) or "
                + "(examples, steps).");
    }

    static void CheckAlive(IReadOnlyList<Tensor> tensors, string name)
    {
        if (tensors.Any(tensor => tensor.IsInvalid))
        {
            throw new ArgumentException(
                $"The {name} of the batch is disposed. Tensors that are made when a batch is asked for are disposed after its step: "
                + "give batches that make new tensors, or a list whose tensors are not disposed.");
        }
    }

    static string Describe(IReadOnlyList<Tensor> tensors, string one) =>
        string.Join(" and ", tensors.Select(tensor => $"{one} of shape {tensor.Shape()} and type {tensor.dtype}"));

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
