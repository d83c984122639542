namespace Infinorm.Constraints;

/// <summary>No element below zero: <c>max(w, 0)</c> (Keras: <c>NonNeg</c>).</summary>
public sealed class NonNeg : Constraint
{
    /// <inheritdoc/>
    protected internal override void Apply<T>(Span<T> values, ReadOnlySpan<nint> shape)
    {
        foreach (ref T value in values)
            value = T.Max(value, T.Zero);
    }
}
