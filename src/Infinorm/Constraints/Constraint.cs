using System.Numerics;

namespace Infinorm.Constraints;

/// <summary>
/// What a variable must satisfy after every step that changed it by a gradient (Keras: <c>keras.constraints.Constraint</c>). It is
/// applied after everything else; a running average sees the value before.
/// </summary>
public abstract class Constraint
{
    /// <summary>
    /// Changes the values so that they satisfy the constraint. It must not throw: by then the step is made, and nothing takes it back.
    /// What a variable must be like to be constrained, <see cref="Validate"/> checks.
    /// </summary>
    /// <typeparam name="T">
    /// <see cref="float"/> or <see cref="double"/>. A 16-bit variable is constrained in float and rounded afterwards.
    /// </typeparam>
    /// <param name="values">The whole variable in C order; to be changed in place.</param>
    /// <param name="shape">The sizes of its axes, outermost first.</param>
    protected internal abstract void Apply<T>(Span<T> values, ReadOnlySpan<nint> shape)
        where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>
    /// Refuses a variable that the constraint cannot be applied to; called when an optimizer is built. Accepts all by default.
    /// </summary>
    /// <param name="variable">Path of the variable, for messages.</param>
    /// <param name="shape">The sizes of its axes, outermost first.</param>
    /// <exception cref="ArgumentException">The constraint does not fit the shape.</exception>
    protected internal virtual void Validate(string variable, ReadOnlySpan<nint> shape)
    {
    }
}
