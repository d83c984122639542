// snippet
using System.Runtime.CompilerServices;
using Infinorm;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

/// <summary>Gradient descent whose step has one size for each element: the sign of a running mean decides the direction.</summary>
public sealed class SignMomentum : RuleOptimizer
{
    readonly Hyperparameter<double> _beta, _shrinkage;
    Slot _mean;

    public SignMomentum(LearningRate? learningRate = null, double beta = 0.9, double shrinkage = 0)
        : base(learningRate ?? 1e-3)
    {
        _beta = Hyperparameters.Number("beta", beta, NumberRange.Unit);
        _shrinkage = Hyperparameters.Number("shrinkage", shrinkage, NumberRange.NotNegative);
    }

    protected override void DefineSlots(Slots slots) => _mean = slots.Add("mean");

    protected override void UpdateStep<L>(RuleContext<L> context) =>
        context.Run(new Rule<L>(context.LearningRate, L.Of(_beta), L.Of(1 - _beta), L.Of(_shrinkage)), _mean);

    readonly struct Rule<L>(L rate, L beta, L oneMinusBeta, L shrinkage) : IRule1<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L mean)
        {
            mean = beta * mean + oneMinusBeta * gradient;
            weight -= rate * (L.Sign(mean) + shrinkage * weight);
        }
    }
}
// end
