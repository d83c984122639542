using System.Runtime.CompilerServices;
using Infinorm.Rules;

namespace Infinorm.Optimizers;

/// <summary>Adam's formula, as Keras computes it, for <see cref="Adam"/> and for what <see cref="Muon"/> leaves to it.</summary>
readonly struct AdamRule<L>(L alpha, L oneMinusBeta1, L oneMinusBeta2, L epsilon) : IRule2<L>, IRule3<L>
    where L : struct, ILane<L>
{
    /// <summary>The rule of one step, from 1.</summary>
    public static AdamRule<L> Of(L rate, long step, double beta1, double beta2, double epsilon)
    {
        L alpha = rate * L.Sqrt(L.Of(1) - L.Pow(beta2, step)) / (L.Of(1) - L.Pow(beta1, step));
        return new AdamRule<L>(alpha, L.Of(1 - beta1), L.Of(1 - beta2), L.Of(epsilon));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step(ref L weight, L gradient, ref L momentum, ref L velocity)
    {
        momentum += (gradient - momentum) * oneMinusBeta1;
        velocity += (gradient * gradient - velocity) * oneMinusBeta2;
        weight -= momentum * alpha / (L.Sqrt(velocity) + epsilon);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step(ref L weight, L gradient, ref L momentum, ref L velocity, ref L largest)
    {
        momentum += (gradient - momentum) * oneMinusBeta1;
        velocity += (gradient * gradient - velocity) * oneMinusBeta2;
        largest = L.Max(largest, velocity);
        weight -= momentum * alpha / (L.Sqrt(largest) + epsilon);
    }
}
