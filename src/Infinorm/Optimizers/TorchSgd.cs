using System.Runtime.CompilerServices;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// Gradient descent as PyTorch's <c>torch.optim.SGD</c> computes it: the rate stays outside the momentum, b ← momentum · b +
/// (1 − dampening) · g (b ← g in the first step), w ← w − rate · b.
/// </summary>
public sealed class TorchSgd : RuleOptimizer
{
    readonly Hyperparameter<double> _momentum, _dampening, _coupledWeightDecay;
    readonly Hyperparameter<bool> _nesterov, _maximize;
    Slot _slot;

    /// <summary>Gradient descent with PyTorch's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. PyTorch: <c>lr</c>.</param>
    /// <param name="momentum">How much of the last step is taken again, finite and ≥ 0; 0, the default, keeps no slot.</param>
    /// <param name="dampening">How much less the gradient counts from the second step on, any finite number.</param>
    /// <param name="coupledWeightDecay">Part of the weight that is added to its gradient. PyTorch: <c>weight_decay</c>.</param>
    /// <param name="nesterov">Whether the momentum looks ahead.</param>
    /// <param name="maximize">Whether the objective is to grow.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public TorchSgd(
        LearningRate? learningRate = null, double momentum = 0, double dampening = 0, double coupledWeightDecay = 0,
        bool nesterov = false, bool maximize = false)
        : base(learningRate ?? 0.001)
    {
        _momentum = Hyperparameters.Number("momentum", momentum, NumberRange.NotNegative);
        _dampening = Hyperparameters.Number("dampening", dampening);
        _coupledWeightDecay = Hyperparameters.Number("coupled_weight_decay", coupledWeightDecay);
        _nesterov = Hyperparameters.Switch("nesterov", nesterov);
        _maximize = Hyperparameters.Switch("maximize", maximize);
    }

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots) => _slot = _momentum == 0 ? Slot.Absent : slots.Add("momentum");

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context)
    {
        double kept = context.Iterations == 0 ? 1 : 1 - _dampening;
        var rule = new Rule<L>(
            context.LearningRate, L.Of(_maximize ? -1 : 1), L.Of(_coupledWeightDecay), L.Of(_momentum), L.Of(kept), _nesterov);
        if (_slot.IsAbsent)
            context.Run(rule);
        else
            context.Run(rule, _slot);
    }

    readonly struct Rule<L>(L rate, L sign, L decay, L momentum, L kept, bool nesterov) : IRule0<L>, IRule1<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient) => weight -= rate * (sign * gradient + decay * weight);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L moment)
        {
            gradient = sign * gradient + decay * weight;
            moment = momentum * moment + kept * gradient;
            weight -= rate * (nesterov ? gradient + momentum * moment : moment);
        }
    }
}
