using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Infinorm.Constraints;
using Infinorm.Kernels;
using Infinorm.Types;

namespace Infinorm.Variables;

/// <summary>
/// A named tensor. Either the optimizer trains it; then it is a view of memory that you own. Or it belongs to the optimizer's state (counter,
/// learning rate, slots); then it is a view of the optimizer's memory. Keras: <c>keras.Variable</c>.
/// </summary>
public abstract class Variable
{
    readonly nint[] _shape;

    private protected Variable(string path, DType dtype, int length, ReadOnlySpan<nint> shape)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (path.Length == 0 || path.StartsWith('/') || path.EndsWith('/') || path.Contains("//", StringComparison.Ordinal))
            throw new ArgumentException($"A variable's path is names joined by '/': found \"{path}\".", nameof(path));

        if (Shapes.Length(shape) != length)
        {
            throw new ArgumentException(
                $"{path}: the memory has {length} elements, the shape {Shapes.Format(shape)} has {Shapes.Length(shape)}.", nameof(shape));
        }

        Path = path;
        DType = dtype;
        Length = length;
        _shape = shape.ToArray();
    }

    /// <summary>The full path, names joined by <c>/</c>, such as <c>dense/kernel</c>.</summary>
    public string Path { get; internal set; }

    /// <summary>The last part of <see cref="Path"/>.</summary>
    public string Name => Path[(Path.LastIndexOf('/') + 1)..];

    /// <summary>The extents, outermost first; empty for a scalar.</summary>
    public ReadOnlySpan<nint> Shape => _shape;

    /// <summary>The number of elements.</summary>
    public int Length { get; }

    /// <summary>The element type.</summary>
    public DType DType { get; }

    /// <summary>
    /// The constraint that is applied to the variable after each call of Apply in which it had a gradient; <see langword="null"/>, the default,
    /// for none. Set it before the optimizer is built; later changes have no effect.
    /// </summary>
    public Constraint? Constraint { get; set; }

    /// <summary>
    /// Whether Apply replaces the variable by its gradient instead of stepping it, as Keras does for the scales of quantised layers:
    /// no unscaling, clipping, decay, average or constraint. The default is <see langword="false"/>.
    /// </summary>
    public bool OverwriteWithGradient { get; init; }

    /// <summary>Sets every element, cast to this variable's type.</summary>
    /// <param name="value">An array of the same shape.</param>
    /// <exception cref="ArgumentException">The shape differs.</exception>
    public void Assign(NdArray value)
    {
        CheckFits(value);
        Write(value.Cast(DType));
    }

    /// <summary>Sets every element, cast to this variable's type.</summary>
    /// <typeparam name="T">float, double, Half, BFloat16, int or long.</typeparam>
    /// <param name="values">As many values as the variable has elements, in row-major order.</param>
    /// <exception cref="ArgumentException">There are more or fewer values.</exception>
    public void Assign<T>(params ReadOnlySpan<T> values)
        where T : unmanaged
    {
        if (values.Length != Length)
            throw new ArgumentException($"{Path}: {values.Length} values, the variable has {Length} elements.", nameof(values));
        Assign(NdArray.Create(values, Shape));
    }

    /// <summary>A copy of the elements.</summary>
    public NdArray ToNdArray()
    {
        NdArray copy = NdArray.Zeros(DType, Shape);
        CopyTo(copy.Data);
        return copy;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Path} {DType.KerasName()}{Shapes.Format(Shape)}";

    internal void CheckFits(NdArray value)
    {
        if (value is null)
            throw new ArgumentNullException(nameof(value), $"{Path}: there is no value for it.");
        if (!value.Shape.SequenceEqual(Shape))
            throw new ArgumentException($"{Path}: the value has shape {Shapes.Format(value.Shape)}, the variable has {Shapes.Format(Shape)}.", nameof(value));
        if (DType == DType.UInt8 && value.DType != DType.UInt8)
            throw new ArgumentException($"{Path}: the value is of type {value.DType.KerasName()}; codes are not numbers that could be cast.", nameof(value));
    }

    /// <summary>The most elements in a piece of memory.</summary>
    internal const int PieceLength = 1 << 20;

    /// <summary>
    /// Visits the elements as bytes, front to back in pieces, for a whole variable may have more than a span. What is written into the
    /// pieces is kept if <paramref name="writes"/> is true; then they need not hold the elements before.
    /// </summary>
    internal abstract void VisitBytes(Action<Span<byte>> visit, bool writes);

    // The array has the variable's type and shape.
    void Write(NdArray value)
    {
        long at = 0;
        VisitBytes(
            piece =>
            {
                value.Data.Span(at, piece.Length).CopyTo(piece);
                at += piece.Length;
            },
            writes: true);
    }

    /// <summary>Copies the elements, as bytes.</summary>
    internal void CopyTo(ByteRange target)
    {
        long at = 0;
        VisitBytes(
            piece =>
            {
                piece.CopyTo(target.Span(at, piece.Length));
                at += piece.Length;
            },
            writes: false);
    }

    /// <summary>Where the elements lie.</summary>
    internal abstract TypedMemory Elements { get; }

    /// <summary>Keeps the elements where they are until the handle is disposed.</summary>
    internal abstract MemoryHandle Pin();

    /// <summary>A variable with the same name and flags over a copy of <paramref name="value"/>.</summary>
    internal abstract Variable With(NdArray value);

    /// <summary>A variable of rank 1 over a part of the elements, with the same path and flags but the constraint.</summary>
    /// <exception cref="NotSupportedException">The elements are not in memory.</exception>
    internal virtual Variable Slice(int start, int count) =>
        throw new NotSupportedException($"{Path}: the elements are not in memory, so that ranks cannot divide them.");

    /// <summary>A variable with the same name and shape over a copy of the elements, to be released.</summary>
    internal abstract Variable Copy();

    /// <summary>Frees what a copy holds outside the garbage collector's heap.</summary>
    internal virtual void ReleaseCopy()
    {
    }

    /// <summary>Copies the elements into a variable of the same length, rounded once to its type.</summary>
    internal virtual void CopyInto(Variable target) => target.CopyFrom(this);

    /// <summary>Sets every element to that of a variable of the same length, rounded once to this variable's type.</summary>
    internal abstract void CopyFrom(Variable source);
}

/// <summary>A variable that is a view of memory that you own.</summary>
/// <typeparam name="T">float, double, Half or BFloat16; long for the counters of an optimizer.</typeparam>
public sealed class Variable<T> : Variable
    where T : unmanaged
{
    /// <summary>A variable of rank 1 over all of <paramref name="values"/>.</summary>
    /// <param name="path">Names joined by <c>/</c>, such as <c>dense/bias</c>.</param>
    /// <param name="values">The memory. It is shared, not copied.</param>
    public Variable(string path, Memory<T> values)
        : this(path, values, [(nint)values.Length])
    {
    }

    /// <summary>A variable over all of <paramref name="values"/>.</summary>
    /// <param name="path">Names joined by <c>/</c>, such as <c>dense/kernel</c>.</param>
    /// <param name="values">The memory in row-major order. It is shared, not copied.</param>
    /// <param name="shape">The extents, outermost first; empty for a scalar.</param>
    /// <exception cref="ArgumentException">
    /// The shape and the memory have different numbers of elements, or the path is empty or has an empty name between two <c>/</c>.
    /// </exception>
    /// <exception cref="NotSupportedException">T is not one of these types.</exception>
    [OverloadResolutionPriority(1)]
    public Variable(string path, Memory<T> values, ReadOnlySpan<int> shape)
        : this(path, values, Shapes.Widen(shape))
    {
    }

    /// <inheritdoc cref="Variable{T}(string, Memory{T}, ReadOnlySpan{int})"/>
    public Variable(string path, Memory<T> values, ReadOnlySpan<long> shape)
        : this(path, values, ToNative(shape))
    {
    }

    /// <inheritdoc cref="Variable{T}(string, Memory{T}, ReadOnlySpan{int})"/>
    public Variable(string path, Memory<T> values, ReadOnlySpan<nint> shape)
        : base(path, DTypes.Of<T>(), values.Length, shape)
    {
        Memory = values;
        Elements = TypedMemory.Of<T>(values);
    }

    /// <summary>The elements in row-major order.</summary>
    public Memory<T> Memory { get; }

    /// <summary>The elements in row-major order.</summary>
    public Span<T> Span => Memory.Span;

    internal override void VisitBytes(Action<Span<byte>> visit, bool writes)
    {
        for (long start = 0; start < Length; start += PieceLength)
            visit(MemoryMarshal.AsBytes(Memory.Span.Slice((int)start, (int)Math.Min(PieceLength, Length - start))));
    }

    internal override TypedMemory Elements { get; }

    internal override Variable Copy() => new Variable<T>(Path, Memory.ToArray(), Shape);

    internal override unsafe void CopyFrom(Variable source)
    {
        if (source is Variable<T> same)
        {
            same.Span.CopyTo(Span);
            return;
        }

        using MemoryHandle from = source.Pin(), to = Pin();
        Conversions.Convert((byte*)from.Pointer, source.DType, (byte*)to.Pointer, DType, Length);
    }

    internal override MemoryHandle Pin() => Memory.Pin();

    internal override Variable Slice(int start, int count) =>
        new Variable<T>(Path, Memory.Slice(start, count)) { OverwriteWithGradient = OverwriteWithGradient };

    internal override Variable With(NdArray value)
    {
        CheckFits(value);
        return new Variable<T>(Path, value.Cast(DType).AsSpan<T>().ToArray(), Shape)
        {
            Constraint = Constraint,
            OverwriteWithGradient = OverwriteWithGradient,
        };
    }

    static ReadOnlySpan<nint> ToNative(ReadOnlySpan<long> shape)
    {
        var native = new nint[shape.Length];
        for (int i = 0; i < shape.Length; i++)
            native[i] = checked((nint)shape[i]);
        return native;
    }
}
