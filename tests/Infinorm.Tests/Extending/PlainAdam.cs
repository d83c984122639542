using System.Numerics;
using Infinorm.Tests.Properties;

namespace Infinorm.Tests.Extending;

/// <summary>
/// Adam with the stages around every rule, in plain loops over single elements: unscale, accumulate, clip, decay, rule, average, overwrite.
/// </summary>
static class PlainAdam<T>
    where T : IBinaryFloatingPointIeee754<T>
{
    /// <summary>Trains weights with a gradient for each step, with the settings that work element by element.</summary>
    /// <param name="rate">The rate of each step.</param>
    public static T[] Train(Settings settings, T[] weights, T[][] gradients, Func<int, double> rate, double beta1, double beta2, double epsilon) =>
        [.. weights.Select((weight, i) => Train(settings, weight, [.. gradients.Select(gradient => gradient[i])], rate, beta1, beta2, epsilon))];

    static T Train(Settings settings, T weight, T[] gradients, Func<int, double> rate, double beta1, double beta2, double epsilon)
    {
        int accumulation = settings.GradientAccumulationSteps ?? 1;
        T momentum = T.Zero, velocity = T.Zero, accumulator = T.Zero, average = T.Zero;
        for (int call = 0; call < gradients.Length; call++)
        {
            int iterations = call / accumulation;
            T learningRate = Of(rate(call));
            T gradient = gradients[call] / Of(settings.LossScaleFactor ?? 1);
            bool updates = (call + 1) % accumulation == 0;
            if (updates)
            {
                if (accumulation > 1)
                    gradient = (gradient + accumulator) / Of(accumulation);
                accumulator = T.Zero;
                if (settings.Clip == Clip.Value)
                    gradient = T.Max(T.Min(gradient, Of(0.5)), Of(-0.5));
                if (settings.WeightDecay is { } decay)
                    weight -= weight * Of(decay) * learningRate;

                T correction = learningRate * T.Sqrt(T.One - T.Pow(Of(beta2), Of(iterations + 1))) / (T.One - T.Pow(Of(beta1), Of(iterations + 1)));
                momentum += (gradient - momentum) * Of(1 - beta1);
                velocity += ((gradient * gradient) - velocity) * Of(1 - beta2);
                weight -= momentum * correction / (T.Sqrt(velocity) + Of(epsilon));
            }
            else
            {
                accumulator = gradient + accumulator;
            }

            if (!settings.UseEma)
                continue;
            T keep = iterations == 0 ? T.Zero : Of(0.6);
            average = (keep * average) + ((T.One - keep) * weight);
            if (settings.EmaOverwriteFrequency is { } frequency && (iterations + 1) % frequency == 0)
                weight = average;
        }

        return weight;
    }

    static T Of(double value) => T.CreateTruncating(value);
}
