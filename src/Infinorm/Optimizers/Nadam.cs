using System.Runtime.CompilerServices;
using Infinorm.Config;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Schedules;
using Infinorm.Types;

namespace Infinorm.Optimizers;

/// <summary>
/// Nadam (Dozat, 2016), as Keras computes it: <see cref="Adam"/> whose momentum looks ahead, with a momentum that rises from half of β₁.
/// </summary>
public sealed class Nadam : RuleOptimizer
{
    readonly Hyperparameter<double> _beta1, _beta2, _epsilon;
    Slot _momentum, _velocity;
    ScalarSlot _product;

    /// <summary>A Nadam with Keras's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. Keras: <c>learning_rate</c>.</param>
    /// <param name="beta1">Decay of the mean of the gradients, in [0, 1]. Keras: <c>beta_1</c>.</param>
    /// <param name="beta2">Decay of the mean of their squares, in [0, 1]. Keras: <c>beta_2</c>.</param>
    /// <param name="epsilon">Added against division by zero, finite and ≥ 0. Keras: <c>epsilon</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public Nadam(LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-7)
        : base(learningRate ?? 0.001)
    {
        _beta1 = Hyperparameters.Number("beta_1", beta1, NumberRange.Unit);
        _beta2 = Hyperparameters.Number("beta_2", beta2, NumberRange.Unit);
        _epsilon = Hyperparameters.Number("epsilon", epsilon, NumberRange.NotNegative);
    }

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots)
    {
        (_momentum, _velocity) = slots.Add("momentum", new SlotSpec("velocity") { IsNeverNegative = true });
        _product = slots.AddScalar("variable", 1); // Keras gives the product of the momenta no name of its own
    }

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context)
    {
        // The product is formed in the type of the first variable, whichever this one's is.
        double product = TrainableVariables[0].DType == DType.Float64
            ? Lane1<double>.Sum(Product<Lane1<double>>(context.Read(_product), context.Iterations + 1))
            : Lane1<float>.Sum(Product<Lane1<float>>(context.Read(_product), context.Iterations + 1));
        context.Write(_product, product);

        L one = L.Of(1), now = MomentumAt<L>(context.Iterations + 1), next = MomentumAt<L>(context.Iterations + 2), all = L.Of(product);
        context.Run(
            new Rule<L>(
                context.LearningRate, one - L.Of(_beta1), one - L.Of(_beta2), L.Of(_epsilon), next, one - all * next, one - now, one - all,
                one - L.Pow(_beta2, context.Iterations + 1)),
            _momentum, _velocity);
    }

    L Product<L>(double product, long step)
        where L : struct, ILane<L> => L.Of(product) * L.Of(_beta1) * (L.Of(1) - L.Of(0.5) * L.Pow(0.96, step));

    L MomentumAt<L>(long step)
        where L : struct, ILane<L> => L.Of(_beta1) * (L.Of(1) - L.Of(0.5) * L.Pow(0.96, step));

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
