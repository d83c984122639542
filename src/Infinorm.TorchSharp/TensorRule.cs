using Infinorm.Rules;

namespace Infinorm.Torch;

/// <summary>A rule whose lanes nobody needs to know.</summary>
interface ITensorRule
{
    /// <summary>Steps all variables of the rule's pass.</summary>
    void StepAll();
}

/// <summary>A rule as it steps tensors.</summary>
abstract class TensorRule<L>(TensorPass pass) : ITensorRule
    where L : struct, ILane<L>
{
    /// <summary>Whether a piece is always a whole variable.</summary>
    public virtual bool NeedsWholeVariables => false;

    public void StepAll() => pass.Run(this);

    /// <summary>Steps a piece of a variable, decayed if there is weight decay, and the piece of its slots.</summary>
    /// <param name="state">The variable.</param>
    /// <param name="weight">Its piece.</param>
    /// <param name="gradient">The gradient of the piece, clipped.</param>
    /// <param name="slots">The slots of the variable's shape, by place.</param>
    public abstract void Step(TensorState state, ref L weight, L gradient, Span<L> slots);
}

/// <summary>A rule in lanes, by tensor operations.</summary>
sealed class TensorSlotRule<L, TRule>(TensorPass pass) : TensorRule<L>(pass), IRulePass<TRule>
    where L : struct, ILane<L>
    where TRule : struct, ISlotRule<L>
{
    TRule _rule;

    public void Set(in TRule rule) => _rule = rule;

    public override void Step(TensorState state, ref L weight, L gradient, Span<L> slots) => _rule.Step(ref weight, gradient, slots);
}
