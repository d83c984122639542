using System.Numerics.Tensors;

namespace Infinorm.Benchmarks;

/// <summary>The Adamax step as one writes it without thinking of speed: a loop over spans.</summary>
static class PlainLoop
{
    public static void Step(ReadOnlySpan<float> gradients, Span<float> weights, Span<float> momentum, Span<float> norm, StepFactors factors)
    {
        for (int i = 0; i < weights.Length; i++)
        {
            momentum[i] += (gradients[i] - momentum[i]) * factors.TakeM;
            norm[i] = MathF.Max(factors.Beta2 * norm[i], MathF.Abs(gradients[i]));
            weights[i] -= factors.LearningRate * momentum[i] / (factors.Correction * (norm[i] + factors.Epsilon));
        }
    }
}

/// <summary>The same step as calls of System.Numerics.Tensors, each a vectorised pass over memory.</summary>
sealed class TensorPrimitivesCalls(int length)
{
    readonly float[] _numerator = new float[length];
    readonly float[] _denominator = new float[length];

    public void Step(ReadOnlySpan<float> gradients, Span<float> weights, Span<float> momentum, Span<float> norm, StepFactors factors)
    {
        TensorPrimitives.Subtract(gradients, momentum, _numerator);
        TensorPrimitives.MultiplyAdd(_numerator, factors.TakeM, momentum, momentum);
        TensorPrimitives.Abs(gradients, _numerator);
        TensorPrimitives.Multiply(norm, factors.Beta2, norm);
        TensorPrimitives.Max(norm, _numerator, norm);
        TensorPrimitives.Multiply(momentum, factors.LearningRate, _numerator);
        TensorPrimitives.Add(norm, factors.Epsilon, _denominator);
        TensorPrimitives.Multiply(_denominator, factors.Correction, _denominator);
        TensorPrimitives.Divide(_numerator, _denominator, _numerator);
        TensorPrimitives.Subtract(weights, _numerator, weights);
    }
}

delegate void HandWrittenStep(
    ReadOnlySpan<float> gradients, Span<float> weights, Span<float> momentum, Span<float> norm, StepFactors factors);

/// <summary>The numbers of one step: learning rate, 1 - beta1, beta2, 1 - beta1^t and epsilon.</summary>
readonly record struct StepFactors(float LearningRate, float TakeM, float Beta2, float Correction, float Epsilon)
{
    /// <summary>Adamax's defaults in the middle of a training run.</summary>
    public static StepFactors Typical { get; } = new(1e-3f, 0.1f, 0.999f, 1 - MathF.Pow(0.9f, 20), 1e-7f);
}
