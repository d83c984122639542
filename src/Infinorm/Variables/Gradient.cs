using Infinorm.Types;

namespace Infinorm.Variables;

/// <summary>
/// The gradient of one variable for one call of Apply: dense memory with the length of the variable, some of its rows, or no gradient. Arrays
/// and memory of float, double, <see cref="Half"/> and <see cref="BFloat16"/> convert implicitly; nothing is copied or allocated.
/// <see langword="default"/> means "no gradient": this call does not change the variable.
/// </summary>
public readonly struct Gradient : IEquatable<Gradient>
{
    internal Gradient(TypedMemory elements) => Elements = elements;

    /// <summary>Whether this is no gradient. Keras: <c>None</c>.</summary>
    public bool IsNone => Elements.Owner is null;

    internal readonly TypedMemory Elements;

    internal RowGradient? AsRows => Elements.IsRows ? (RowGradient)Elements.Owner! : null;

    /// <summary>The dense gradient in <paramref name="values"/>.</summary>
    /// <typeparam name="T">float, double, Half or BFloat16.</typeparam>
    /// <param name="values">As many elements as the variable has, in the same order. The memory is shared until Apply returns.</param>
    public static Gradient Of<T>(ReadOnlyMemory<T> values)
        where T : unmanaged
    {
        var elements = TypedMemory.Of(values);
        if (!elements.DType.IsFloating())
            throw new ArgumentException($"A gradient is of floating point, found {elements.DType.KerasName()}.", nameof(values));
        return new(elements);
    }

    /// <summary>
    /// The sparse gradient of a table: the gradients of some of its rows (along the first axis); all other rows are zero. It has the effect of
    /// the dense gradient. Rows with the same index are summed first. TensorFlow: <c>IndexedSlices</c>.
    /// </summary>
    /// <typeparam name="T">float, double, Half or BFloat16.</typeparam>
    /// <param name="indices">Row numbers, in any order, duplicates allowed.</param>
    /// <param name="values">The rows one after the other, <c>indices.Length</c> times the length of a row.</param>
    public static Gradient Rows<T>(ReadOnlyMemory<int> indices, ReadOnlyMemory<T> values)
        where T : unmanaged => RowGradient.Of(indices, values);

    /// <inheritdoc cref="Rows{T}(ReadOnlyMemory{int}, ReadOnlyMemory{T})"/>
    public static Gradient Rows<T>(int[] indices, T[] values)
        where T : unmanaged => RowGradient.Of<T>(indices, values);

    /// <summary>The dense gradient in an array.</summary>
    /// <exception cref="ArgumentNullException">The array is null; <see langword="default"/> is no gradient.</exception>
    public static implicit operator Gradient(float[] values) => OfArray(values);

    /// <inheritdoc cref="op_Implicit(float[])"/>
    public static implicit operator Gradient(double[] values) => OfArray(values);

    /// <inheritdoc cref="op_Implicit(float[])"/>
    public static implicit operator Gradient(Half[] values) => OfArray(values);

    /// <inheritdoc cref="op_Implicit(float[])"/>
    public static implicit operator Gradient(BFloat16[] values) => OfArray(values);

    /// <summary>The dense gradient in memory.</summary>
    public static implicit operator Gradient(ReadOnlyMemory<float> values) => Of(values);

    /// <inheritdoc cref="op_Implicit(ReadOnlyMemory{float})"/>
    public static implicit operator Gradient(ReadOnlyMemory<double> values) => Of(values);

    /// <inheritdoc cref="op_Implicit(ReadOnlyMemory{float})"/>
    public static implicit operator Gradient(ReadOnlyMemory<Half> values) => Of(values);

    /// <inheritdoc cref="op_Implicit(ReadOnlyMemory{float})"/>
    public static implicit operator Gradient(ReadOnlyMemory<BFloat16> values) => Of(values);

    /// <inheritdoc cref="op_Implicit(ReadOnlyMemory{float})"/>
    public static implicit operator Gradient(Memory<float> values) => Of<float>(values);

    /// <inheritdoc cref="op_Implicit(ReadOnlyMemory{float})"/>
    public static implicit operator Gradient(Memory<double> values) => Of<double>(values);

    /// <inheritdoc cref="op_Implicit(ReadOnlyMemory{float})"/>
    public static implicit operator Gradient(Memory<Half> values) => Of<Half>(values);

    /// <inheritdoc cref="op_Implicit(ReadOnlyMemory{float})"/>
    public static implicit operator Gradient(Memory<BFloat16> values) => Of<BFloat16>(values);

    /// <summary>The sparse gradient of a table.</summary>
    /// <exception cref="ArgumentNullException">It is null; <see langword="default"/> is no gradient.</exception>
    public static implicit operator Gradient(RowGradient rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        return new(new TypedMemory(rows, 0, rows.Values.Length, rows.Values.DType));
    }

    /// <summary>Whether both are the same memory.</summary>
    public static bool operator ==(Gradient left, Gradient right) => left.Equals(right);

    /// <summary>Whether they are different memory.</summary>
    public static bool operator !=(Gradient left, Gradient right) => !left.Equals(right);

    /// <inheritdoc/>
    public bool Equals(Gradient other) => Elements.IsSameAs(other.Elements);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Gradient other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Elements.GetHashCode();

    static Gradient OfArray<T>(T[]? values)
        where T : unmanaged => values is not null
        ? new(new TypedMemory(values, 0, values.Length, DTypes.Of<T>()))
        : throw new ArgumentNullException(nameof(values), "The array of a gradient is null; a variable without a gradient has default.");
}
