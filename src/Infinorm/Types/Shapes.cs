namespace Infinorm.Types;

/// <summary>Helpers for shapes: sizes of the axes, outermost first; an empty shape is that of a single number.</summary>
static class Shapes
{
    /// <summary>The number of elements.</summary>
    /// <exception cref="ArgumentException">An axis is negative, or there are more elements than an array can have.</exception>
    public static int Length(ReadOnlySpan<nint> shape)
    {
        Int128 length = 1;
        foreach (nint size in shape)
        {
            if (size < 0)
                throw new ArgumentException($"The shape {Format(shape)} has a negative size.", nameof(shape));
            length = Int128.Min(length * size, long.MaxValue); // beyond it only "too many" matters, unless another size is 0
        }
        return length <= Array.MaxLength
            ? (int)length
            : throw new ArgumentException($"The shape {Format(shape)} has more than {Array.MaxLength} elements.", nameof(shape));
    }

    /// <summary>"[784, 10]".</summary>
    public static string Format(ReadOnlySpan<nint> shape) => $"[{string.Join(", ", shape.ToArray())}]";

    public static nint[] Widen(ReadOnlySpan<int> shape)
    {
        var wide = new nint[shape.Length];
        for (int i = 0; i < wide.Length; i++)
            wide[i] = shape[i];
        return wide;
    }
}
