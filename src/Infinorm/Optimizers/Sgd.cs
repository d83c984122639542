using System.Runtime.CompilerServices;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// Gradient descent, Keras's <c>SGD</c>: w ← w − rate · g. With momentum: m ← momentum · m − rate · g, then w ← w + m, or with Nesterov's
/// look ahead w ← w + momentum · m − rate · g.
/// </summary>
public sealed class Sgd : RuleOptimizer
{
    readonly Hyperparameter<double> _momentum;
    readonly Hyperparameter<bool> _nesterov;
    Slot _slot;

    /// <summary>Gradient descent with Keras's defaults. A rate of null is 0.01; the properties describe the other arguments.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public Sgd(LearningRate? learningRate = null, double momentum = 0, bool nesterov = false)
        : base(learningRate ?? 0.01)
    {
        _momentum = Hyperparameters.Number("momentum", momentum, NumberRange.Unit);
        _nesterov = Hyperparameters.Switch("nesterov", nesterov);
    }

    /// <summary>How much of the last step is taken again, in [0, 1]; 0, the default, keeps no slot. Keras: <c>momentum</c>.</summary>
    public double Momentum => _momentum;

    /// <summary>Whether the momentum looks ahead; false by default. Keras: <c>nesterov</c>.</summary>
    public bool Nesterov => _nesterov;

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots) => _slot = Momentum == 0 ? Slot.Absent : slots.Add("momentum");

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context)
    {
        var rule = new Rule<L>(context.LearningRate, L.Of(Momentum), Nesterov);
        if (_slot.IsAbsent)
            context.Run(rule);
        else
            context.Run(rule, _slot);
    }

    readonly struct Rule<L>(L rate, L momentum, bool nesterov) : IRule0<L>, IRule1<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient) => weight -= gradient * rate;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L moment)
        {
            moment = moment * momentum - gradient * rate;
            weight += nesterov ? moment * momentum - gradient * rate : moment;
        }
    }
}
