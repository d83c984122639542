using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>Finds where numbers stopped being finite, and says what to do.</summary>
static class NonFinite
{
    /// <summary>Why a loss is not finite: the first thing on the way to it that is not.</summary>
    public static string OfLoss(TrainingRun run, Batch batch, IReadOnlyList<Tensor> predictions)
    {
        string cause = (batch.Inputs.All(IsFinite), batch.Targets.All(IsFinite), FirstParameter(run, parameter => parameter.alias())) switch
        {
            (false, _, _) => "the input has numbers that are not finite. Clean the data",
            (_, false, _) => "the target has numbers that are not finite. Clean the data",
            (_, _, { } parameter) => $"{parameter} has values that are not finite. Look at its initialisation, or lower the learning rate",
            _ when !predictions.All(IsFinite) =>
                "input and parameters are finite, the prediction is not. Look in the model for divisions, roots and exponentials",
            _ => "the prediction is finite. Look in the loss for logarithms of 0 and divisions",
        };
        return $"The loss is {run.Loss} at step {run.Step}: {cause}.";
    }

    /// <summary>The first parameter whose gradient is not finite, and how many there are; null if all are.</summary>
    public static string? FirstGradient(TrainingRun run) => FirstParameter(run, parameter => parameter.grad);

    /// <summary>Whether all numbers are finite.</summary>
    public static bool IsFinite(Tensor tensor)
    {
        if (!tensor.is_floating_point())
            return true;
        using Tensor finite = isfinite(tensor), all = finite.all();
        return all.ToInteger() != 0;
    }

    static string? FirstParameter(TrainingRun run, Func<Parameter, Tensor?> of)
    {
        string? first = null;
        int count = 0;
        foreach (var (name, parameter) in run.Model.named_parameters())
        {
            using Tensor? tensor = of(parameter);
            if (tensor is null || IsFinite(tensor))
                continue;
            first ??= name;
            count++;
        }

        return count > 1 ? $"'{first}', the first of {count} such parameters," : first is null ? null : $"'{first}'";
    }
}
