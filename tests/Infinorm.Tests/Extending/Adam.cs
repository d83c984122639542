using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Infinorm.Kernels;
using Infinorm.Pipeline;

namespace Infinorm.Tests.Extending;

/// <summary>An optimizer with two slots of its own, written as a user of the library would.</summary>
sealed class Adam(LearningRate learningRate, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-7) : Optimizer(learningRate)
{
    Slot _momentum, _velocity;

    static Adam() => Register(nameof(Adam), config => new Adam(
        config.LearningRate(0.001), config.Number("beta_1", 0.9), config.Number("beta_2", 0.999), config.Number("epsilon", 1e-7)));

    protected override void Build(Slots slots)
    {
        _momentum = slots.Add("momentum");
        _velocity = slots.Add("velocity");
    }

    protected override void UpdateStep<L>(Step<L> step)
    {
        long t = step.Iterations + 1;
        L rate = step.LearningRate * L.Sqrt(L.Of(1) - L.Pow(beta2, t)) / (L.Of(1) - L.Pow(beta1, t));
        step.Run(new Rule<L>(rate, L.Of(1 - beta1), L.Of(1 - beta2), L.Of(epsilon)), _momentum, _velocity);
    }

    protected override void GetConfig(JsonObject config)
    {
        config["beta_1"] = beta1;
        config["beta_2"] = beta2;
        config["epsilon"] = epsilon;
    }

    readonly struct Rule<L>(L rate, L takeMomentum, L takeVelocity, L epsilon) : IRule2<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L momentum, ref L velocity)
        {
            momentum += (gradient - momentum) * takeMomentum;
            velocity += ((gradient * gradient) - velocity) * takeVelocity;
            weight -= momentum * rate / (L.Sqrt(velocity) + epsilon);
        }
    }
}
