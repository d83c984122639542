using System.Runtime.CompilerServices;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Samples.NoisySpeech;

/// <summary>
/// Gradient descent with momentum: velocity ← momentum · velocity − rate · gradient, weight ← weight + velocity. All that an optimizer
/// needs: its settings, its slots, its rule. Clipping, decay, averages, schedules, files and threads come from
/// <see cref="RuleOptimizer"/>.
/// </summary>
public sealed class Sgd : RuleOptimizer
{
    readonly Hyperparameter<double> _momentum;
    Slot _velocity;

    /// <param name="learningRate">A number, a schedule or a function.</param>
    /// <param name="momentum">Decay of the velocity, in [0, 1].</param>
    public Sgd(LearningRate learningRate, double momentum = 0.9)
        : base(learningRate) => _momentum = Hyperparameters.Number("momentum", momentum, NumberRange.Unit);

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots) => _velocity = slots.Add("momentum");

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context) =>
        context.Run(new Rule<L>(context.LearningRate, L.Of(_momentum)), _velocity);

    readonly struct Rule<L>(L rate, L momentum) : IRule1<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L velocity)
        {
            velocity = momentum * velocity - rate * gradient;
            weight += velocity;
        }
    }
}
