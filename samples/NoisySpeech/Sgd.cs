using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Infinorm.Kernels;
using Infinorm.Pipeline;

namespace Infinorm.Samples.NoisySpeech;

/// <summary>
/// Gradient descent with momentum: velocity ← momentum · velocity − rate · gradient, weight ← weight + velocity. All that an optimizer
/// needs: its slots, its rule, its settings. Clipping, decay, averages, schedules, files and threads come from <see cref="Optimizer"/>.
/// </summary>
public sealed class Sgd(LearningRate learningRate, double momentum = 0.9) : Optimizer(learningRate)
{
    Slot _velocity;

    /// <inheritdoc/>
    protected override void Build(Slots slots) => _velocity = slots.Add("momentum");

    /// <inheritdoc/>
    protected override void UpdateStep<L>(Step<L> step) =>
        step.Run(new Rule<L>(step.LearningRate, L.Of(momentum)), _velocity);

    /// <inheritdoc/>
    protected override void GetConfig(JsonObject config) => config["momentum"] = momentum;

    readonly struct Rule<L>(L rate, L keep) : IRule1<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L velocity)
        {
            velocity = keep * velocity - rate * gradient;
            weight += velocity;
        }
    }
}
