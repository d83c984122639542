using System.Runtime.CompilerServices;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Schedules;
using Infinorm.Types;

namespace Infinorm.Optimizers;

/// <summary>Nadam (Dozat, 2016), as Keras computes it: <see cref="Adam"/> that looks a step ahead, with a β₁ that rises from its half.</summary>
/// <param name="learningRate">A number, a schedule or a function; null for 0.001. Keras: <c>learning_rate</c>.</param>
/// <param name="beta1">Decay of the mean of the gradients, in [0, 1]. Keras: <c>beta_1</c>.</param>
/// <param name="beta2">Decay of the mean of their squares, in [0, 1]. Keras: <c>beta_2</c>.</param>
/// <param name="epsilon">Added against division by zero, finite and ≥ 0. Keras: <c>epsilon</c>.</param>
/// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
public sealed class Nadam(LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-7)
    : MomentsOptimizer(learningRate ?? 0.001, beta1, beta2, epsilon)
{
    Slot _momentum, _velocity;
    ScalarSlot _product;

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots)
    {
        (_momentum, _velocity) = slots.Add("momentum", new SlotSpec("velocity") { IsNeverNegative = true, Decay = () => Beta2 });
        _product = slots.AddScalar("variable", 1); // Keras gives the product of the momenta no name of its own
    }

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context)
    {
        // The product is formed in the type of the first variable, whichever this one's is.
        long step = context.Iterations + 1;
        double product = TrainableVariables[0].DType == DType.Float64
            ? Lane1<double>.Sum(MomentumAt(step, Lane1<double>.Of(context.Read(_product))))
            : Lane1<float>.Sum(MomentumAt(step, Lane1<float>.Of(context.Read(_product))));
        context.Write(_product, product);
        L one = L.Of(1), now = MomentumAt(step, one), next = MomentumAt(step + 1, one), all = L.Of(product);
        var rule = new Rule<L>(
            context.LearningRate, one - L.Of(Beta1), one - L.Of(Beta2), L.Of(Epsilon), next, one - all * next, one - now, one - all,
            one - L.Pow(Beta2, step));
        context.Run(rule, _momentum, _velocity);
    }

    L MomentumAt<L>(long step, L factor)
        where L : struct, ILane<L> => factor * L.Of(Beta1) * (L.Of(1) - L.Of(0.5) * L.Pow(0.96, step));

    readonly struct Rule<L>(L rate, L rest1, L rest2, L epsilon, L next, L restNext, L restNow, L restAll, L correction) : IRule2<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L momentum, ref L velocity)
        {
            momentum += (gradient - momentum) * rest1;
            velocity += (gradient * gradient - velocity) * rest2;
            L ahead = next * momentum / restNext + restNow * gradient / restAll;
            weight -= ahead * rate / (L.Sqrt(velocity / correction) + epsilon);
        }
    }
}
