using System.Runtime.CompilerServices;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// Gradient descent as PyTorch's <c>torch.optim.SGD</c> computes it: the rate stays outside the momentum, b ← momentum · b +
/// (1 − dampening) · g (b ← g at a variable's first gradient), w ← w − rate · b.
/// </summary>
public sealed class TorchSgd : RuleOptimizer
{
    readonly Hyperparameter<double> _momentum, _dampening, _coupledWeightDecay;
    readonly Hyperparameter<bool> _nesterov, _maximize;
    Slot _moment, _begun;

    /// <summary>Gradient descent with PyTorch's defaults. A rate of null is 0.001; the properties describe the other arguments.</summary>
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

    /// <summary>How much of the last step is taken again, finite and ≥ 0; 0, the default, keeps no slot. PyTorch: <c>momentum</c>.</summary>
    public double Momentum => _momentum;

    /// <summary>
    /// How much less a variable's gradients count from its second on, any finite number; 0 by default. Others keep a slot more, which says
    /// where a gradient has been. PyTorch: <c>dampening</c>.
    /// </summary>
    public double Dampening => _dampening;

    /// <summary>Part of the weight that is added to its gradient, any finite number; 0 by default. PyTorch: <c>weight_decay</c>.</summary>
    public double CoupledWeightDecay => _coupledWeightDecay;

    /// <summary>Whether the momentum looks ahead; false by default. PyTorch: <c>nesterov</c>.</summary>
    public bool Nesterov => _nesterov;

    /// <summary>Whether the objective is to grow; false by default. PyTorch: <c>maximize</c>.</summary>
    public bool Maximize => _maximize;

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots)
    {
        _moment = Momentum == 0 ? Slot.Absent : slots.Add("momentum");
        _begun = Momentum == 0 || Dampening == 0 ? Slot.Absent : slots.Add(new SlotSpec("begun") { IsNeverNegative = true });
    }

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context)
    {
        var rule = new Rule<L>(
            context.LearningRate, L.Of(Maximize ? -1 : 1), L.Of(CoupledWeightDecay), L.Of(Momentum), L.Of(1 - Dampening), Nesterov);
        if (_moment.IsAbsent)
            context.Run(rule);
        else
            context.Run(rule, _moment, _begun);
    }

    readonly struct Rule<L>(L rate, L sign, L decay, L momentum, L kept, bool nesterov) : IRule0<L>, IRule2<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient) => weight -= rate * (sign * gradient + decay * weight);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L moment, ref L begun)
        {
            gradient = sign * gradient + decay * weight;
            moment = momentum * moment + L.SelectGreater(begun, L.Of(0), kept, L.Of(1)) * gradient;
            begun = L.Of(1);
            weight -= rate * (nesterov ? gradient + momentum * moment : moment);
        }
    }
}
