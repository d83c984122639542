using System.Runtime.CompilerServices;
using Infinorm.Rules;

namespace Infinorm.Kernels;

/// <summary>Which clip is on.</summary>
enum ClipKind
{
    None,

    /// <summary>Each gradient to a norm: g · c / max(‖g‖, c).</summary>
    Norm,

    /// <summary>All gradients to one norm: g · factor.</summary>
    GlobalNorm,

    /// <summary>Each element to [−c, c].</summary>
    Value,
}

/// <summary>The formulas that a gradient goes through before the rule, each where it is on; the order of operations rounds.</summary>
readonly struct GradientFormula<L>(double? lossScale, int accumulationSteps, ClipKind clip, double clipLimit, double clipOperand)
    where L : struct, ILane<L>
{
    readonly bool _unscales = lossScale is not null;
    readonly ClipKind _clip = clip;
    readonly L _scale = L.Of(lossScale.GetValueOrDefault());
    readonly L _steps = L.Of(accumulationSteps);
    readonly L _limit = L.Of(clipLimit);
    readonly L _operand = L.Of(clip == ClipKind.Value ? -clipLimit : clipOperand);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public L Unscale(L gradient) => _unscales ? gradient / _scale : gradient;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public L Mean(L gradient, L accumulated) => (gradient + accumulated) / _steps;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public L Clip(L gradient) =>
        _clip == ClipKind.None ? gradient
        : _clip == ClipKind.GlobalNorm ? gradient * _operand
        : _clip == ClipKind.Norm ? gradient * _limit / _operand
        : L.Max(L.Min(gradient, _limit), _operand);
}

/// <summary>The formulas around the rule that concern the weights.</summary>
readonly struct WeightFormula<L>(double? decay, double rate, bool byFactor, double? averageMomentum, bool overwrites)
    where L : struct, ILane<L>
{
    readonly L _factor = L.Of(1 - (rate * decay.GetValueOrDefault()));
    readonly L _decay = L.Of(decay.GetValueOrDefault());
    readonly L _rate = L.Of(rate);
    readonly L _momentum = L.Of(averageMomentum.GetValueOrDefault());
    readonly L _take = L.Of(1) - L.Of(averageMomentum.GetValueOrDefault());

    /// <summary>Whether there is weight decay.</summary>
    public readonly bool Decays = decay is not null;

    /// <summary>Whether the averages overwrite the weights.</summary>
    public readonly bool Overwrites = overwrites;

    /// <summary>Decoupled weight decay: Keras's w − (w · decay) · rate, or PyTorch's w · (1 − rate · decay), the factor rounded once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public L Decay(L weight) => byFactor ? weight * _factor : weight - weight * _decay * _rate;

    /// <summary>Exponential moving average: momentum · a + (1 − momentum) · w.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public L Average(L average, L weight) => _momentum * average + _take * weight;
}
