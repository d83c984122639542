namespace Infinorm.Rules;

/// <summary>The formula of an optimizer without slots, for one lane. The method must be marked <c>AggressiveInlining</c>.</summary>
/// <typeparam name="L">The lane.</typeparam>
public interface IRule0<L>
    where L : struct, ILane<L>
{
    /// <summary>Updates one lane of a variable.</summary>
    /// <param name="weight">The variable, decayed if there is weight decay.</param>
    /// <param name="gradient">Its gradient, unscaled, averaged over the accumulation and clipped.</param>
    void Step(ref L weight, L gradient);
}

/// <summary>The formula of an optimizer with one slot, for one lane. The method must be marked <c>AggressiveInlining</c>.</summary>
/// <typeparam name="L">The lane.</typeparam>
public interface IRule1<L>
    where L : struct, ILane<L>
{
    /// <summary>Updates one lane of a variable and of its slot.</summary>
    /// <inheritdoc cref="IRule0{L}.Step"/>
    void Step(ref L weight, L gradient, ref L slot);
}

/// <summary>The formula of an optimizer with two slots, for one lane. The method must be marked <c>AggressiveInlining</c>.</summary>
/// <typeparam name="L">The lane.</typeparam>
public interface IRule2<L>
    where L : struct, ILane<L>
{
    /// <summary>Updates one lane of a variable and of its slots.</summary>
    /// <inheritdoc cref="IRule0{L}.Step"/>
    void Step(ref L weight, L gradient, ref L first, ref L second);
}

/// <summary>The formula of an optimizer with three slots, for one lane. The method must be marked <c>AggressiveInlining</c>.</summary>
/// <typeparam name="L">The lane.</typeparam>
public interface IRule3<L>
    where L : struct, ILane<L>
{
    /// <summary>Updates one lane of a variable and of its slots.</summary>
    /// <inheritdoc cref="IRule0{L}.Step"/>
    void Step(ref L weight, L gradient, ref L first, ref L second, ref L third);
}
