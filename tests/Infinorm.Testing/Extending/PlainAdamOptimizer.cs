using System.Runtime.CompilerServices;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Tests.Extending;

/// <summary>An optimizer with two slots of its own, written as a user of the library would.</summary>
sealed class PlainAdamOptimizer : RuleOptimizer
{
    readonly Hyperparameter<double> _beta1, _beta2, _epsilon;
    Slot _momentum, _velocity;

    static PlainAdamOptimizer() => Register(nameof(PlainAdamOptimizer), () => new PlainAdamOptimizer(0.001));

    public PlainAdamOptimizer(LearningRate learningRate, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-7)
        : base(learningRate)
    {
        _beta1 = Hyperparameters.Number("beta_1", beta1, NumberRange.Unit);
        _beta2 = Hyperparameters.Number("beta_2", beta2, NumberRange.Unit);
        _epsilon = Hyperparameters.Number("epsilon", epsilon, NumberRange.NotNegative);
    }

    protected override void DefineSlots(Slots slots) => (_momentum, _velocity) = slots.Add("momentum", "velocity");

    protected override void UpdateStep<L>(RuleContext<L> context)
    {
        long t = context.Iterations + 1;
        L rate = context.LearningRate * L.Sqrt(L.Of(1) - L.Pow(_beta2, t)) / (L.Of(1) - L.Pow(_beta1, t));
        context.Run(new Rule<L>(rate, L.Of(1 - _beta1), L.Of(1 - _beta2), L.Of(_epsilon)), _momentum, _velocity);
    }

    readonly struct Rule<L>(L rate, L oneMinusBeta1, L oneMinusBeta2, L epsilon) : IRule2<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L momentum, ref L velocity)
        {
            momentum += (gradient - momentum) * oneMinusBeta1;
            velocity += ((gradient * gradient) - velocity) * oneMinusBeta2;
            weight -= momentum * rate / (L.Sqrt(velocity) + epsilon);
        }
    }
}
