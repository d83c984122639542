namespace Infinorm.Variables;

/// <summary>
/// The gradient of some rows of a table, such as an embedding's. Keep one and pass it again: making it is all it allocates, and it reads
/// its memories anew in each call.
/// </summary>
public sealed class RowGradient
{
    RowGradient(ReadOnlyMemory<int> indices, TypedMemory values)
    {
        Indices = indices;
        Values = values;
    }

    internal ReadOnlyMemory<int> Indices { get; }

    internal TypedMemory Values { get; }

    /// <inheritdoc cref="Gradient.Rows{T}(ReadOnlyMemory{int}, ReadOnlyMemory{T})"/>
    public static RowGradient Of<T>(ReadOnlyMemory<int> indices, ReadOnlyMemory<T> values)
        where T : unmanaged => new(indices, Gradient.Of(values).Elements);
}
