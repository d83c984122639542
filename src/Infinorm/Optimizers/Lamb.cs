using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Schedules;
using Infinorm.Types;

namespace Infinorm.Optimizers;

/// <summary>
/// Lamb (You et al., 2019), as Keras computes it: Adam's update, scaled for each variable by the ratio of the norms of variable and update.
/// <code>
/// m ← m + (g − m) · (1 − β₁)
/// v ← v + (g² − v) · (1 − β₂)
/// u = m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε)
/// w ← w − rate · ‖w‖ / ‖u‖ · u, the ratio being 1 where a norm is 0 or NaN
/// </code>
/// It is for very large batches.
/// </summary>
public sealed class Lamb : MomentsOptimizer, IBlockRule
{
    Slot _momentum, _velocity;

    /// <summary>A Lamb with Keras's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. Keras: <c>learning_rate</c>.</param>
    /// <param name="beta1">Decay of the mean of the gradients, in [0, 1]. Keras: <c>beta_1</c>.</param>
    /// <param name="beta2">Decay of the mean of their squares, in [0, 1]. Keras: <c>beta_2</c>.</param>
    /// <param name="epsilon">Added to the root against division by zero, finite and ≥ 0. Keras: <c>epsilon</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public Lamb(LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-7)
        : base(learningRate ?? 0.001, beta1, beta2, epsilon)
    {
    }

    bool IBlockRule.NeedsWholeVariables => true;

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots) =>
        (_momentum, _velocity) = slots.Add(
            new SlotSpec("momentum") { NeedsFullStorage = true }, new SlotSpec("velocity") { NeedsFullStorage = true, IsNeverNegative = true });

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context) => context.Run(this);

    int IBlockRule.ScratchLength(ReadOnlySpan<nint> shape) => Shapes.Length(shape);

    void IBlockRule.Step<T>(Block<T> block)
    {
        Span<T> weights = block.Weights, update = block.Scratch[..weights.Length];
        var run = new UpdateOf<T>(this, block);
        LaneWidth.Run(typeof(T) == typeof(double), ref run);
        T weightNorm = WholeSums.Norm<T>(weights), updateNorm = WholeSums.Norm<T>(update);
        T ratio = weightNorm > T.Zero && updateNorm > T.Zero ? weightNorm / updateNorm : T.One;
        TensorPrimitives.MultiplyAdd(update, -(ratio * block.LearningRate), weights, weights);
    }

    // Into the scratch.
    readonly ref struct UpdateOf<T>(Lamb lamb, Block<T> block) : ILaneAction
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        readonly Block<T> _block = block;

        public void Run<L>()
            where L : struct, ILane<L>
        {
            L one = L.Of(1), power1 = L.Pow(lamb.Beta1, _block.Iterations + 1), power2 = L.Pow(lamb.Beta2, _block.Iterations + 1);
            var rule = new Rule<L>(L.Of(1 - lamb.Beta1), L.Of(1 - lamb.Beta2), L.Of(lamb.Epsilon), one - power1, one - power2);
            _block.Run<L, Rule<L>>(in rule, _block.Scratch, lamb._momentum, lamb._velocity);
        }
    }

    readonly struct Rule<L>(L oneMinusBeta1, L oneMinusBeta2, L epsilon, L correction1, L correction2) : IRule2<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L update, L gradient, ref L momentum, ref L velocity)
        {
            momentum += (gradient - momentum) * oneMinusBeta1;
            velocity += (gradient * gradient - velocity) * oneMinusBeta2;
            update = momentum / correction1 / (L.Sqrt(velocity / correction2) + epsilon);
        }
    }
}
