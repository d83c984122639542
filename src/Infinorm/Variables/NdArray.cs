using System.Runtime.CompilerServices;
using Infinorm.Types;

namespace Infinorm.Variables;

/// <summary>
/// Numbers of one type with a shape, in C order (the last axis varies fastest): the form in which values enter and leave an optimizer.
/// It has a copy of the numbers it was made from and never changes.
/// </summary>
public sealed class NdArray
{
    readonly nint[] _shape;

    NdArray(DType dtype, ByteRange data, nint[] shape)
    {
        DType = dtype;
        Data = data;
        _shape = shape;
    }

    /// <summary>The type of the elements.</summary>
    public DType DType { get; }

    /// <summary>The sizes of the axes, outermost first; empty for a single number.</summary>
    public ReadOnlySpan<nint> Shape => _shape;

    /// <summary>The number of elements.</summary>
    public int Length => (int)(Data.Length / DType.Size());

    /// <summary>The elements as bytes in C order, each little-endian as in memory.</summary>
    /// <exception cref="NotSupportedException">
    /// They are more than the 2,147,483,647 that a span can have; <see cref="AsSpan"/> counts elements.
    /// </exception>
    public ReadOnlySpan<byte> Bytes => Data.Length <= int.MaxValue
        ? Data.Span(0, Data.Length)
        : throw new NotSupportedException(
            $"The array has {Data.Length} bytes, a span at most {int.MaxValue}; {nameof(AsSpan)} counts elements.");

    /// <summary>The bytes of the elements, of any number; they are never written to.</summary>
    internal ByteRange Data { get; }

    /// <summary>Copies an array of one axis.</summary>
    /// <exception cref="NotSupportedException">T is not the type of a <see cref="Types.DType"/>.</exception>
    [OverloadResolutionPriority(1)]
    public static NdArray Create<T>(T[] values)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(values);
        return Create<T>(values, [values.Length]);
    }

    /// <summary>Copies an array and gives it a shape; <c>[]</c> is the shape of a single number.</summary>
    /// <exception cref="ArgumentException">The shape has another number of elements than the array, or a negative size.</exception>
    /// <exception cref="NotSupportedException">T is not the type of a <see cref="Types.DType"/>.</exception>
    [OverloadResolutionPriority(1)]
    public static NdArray Create<T>(T[] values, params ReadOnlySpan<int> shape)
        where T : unmanaged => Create<T>(values, Shapes.Widen(shape));

    /// <inheritdoc cref="Create{T}(T[], ReadOnlySpan{int})"/>
    public static NdArray Create<T>(T[] values, params ReadOnlySpan<nint> shape)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(values);
        return Create<T>(values.AsSpan(), shape);
    }

    /// <inheritdoc cref="Create{T}(T[], ReadOnlySpan{int})"/>
    public static NdArray Create<T>(ReadOnlySpan<T> values, ReadOnlySpan<nint> shape)
        where T : unmanaged
    {
        var dtype = DTypes.Of<T>();
        if (Shapes.Length(shape) != values.Length)
        {
            throw new ArgumentException(
                $"The shape {Shapes.Format(shape)} has {Shapes.Length(shape)} elements, but {values.Length} were given.", nameof(shape));
        }
        return new(dtype, ByteRange.Of(values.ToArray()), shape.ToArray());
    }

    /// <summary>Copies elements that are given as bytes: C order, each little-endian.</summary>
    /// <exception cref="ArgumentException">The number of bytes does not fit the shape, or a size is negative.</exception>
    public static NdArray FromBytes(DType dtype, ReadOnlySpan<byte> bytes, ReadOnlySpan<nint> shape)
    {
        long expected = (long)Shapes.Length(shape) * dtype.Size();
        if (bytes.Length != expected)
        {
            throw new ArgumentException(
                $"The shape {Shapes.Format(shape)} of {dtype.KerasName()} takes {expected} bytes, but {bytes.Length} were given.",
                nameof(bytes));
        }

        NdArray array = Zeros(dtype, shape);
        bytes.CopyTo(array.Data.Span(0, bytes.Length));
        return array;
    }

    /// <summary>An array of zeros, to be filled before anybody else sees it.</summary>
    internal static NdArray Zeros(DType dtype, ReadOnlySpan<nint> shape)
    {
        int length = Shapes.Length(shape);
        ByteRange data = dtype switch
        {
            DType.Float16 => ByteRange.Of(new Half[length]),
            DType.BFloat16 => ByteRange.Of(new BFloat16[length]),
            DType.Float32 => ByteRange.Of(new float[length]),
            DType.Float64 => ByteRange.Of(new double[length]),
            DType.Int32 => ByteRange.Of(new int[length]),
            DType.Int64 => ByteRange.Of(new long[length]),
            DType.UInt8 => ByteRange.Of(new byte[length]),
            _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Not a dtype."),
        };
        return new(dtype, data, shape.ToArray());
    }

    /// <summary>The elements in C order, without a copy.</summary>
    /// <exception cref="InvalidOperationException">They are not of type T; <see cref="Cast"/> converts them.</exception>
    public ReadOnlySpan<T> AsSpan<T>()
        where T : unmanaged =>
        DTypes.Of<T>() == DType
            ? Data.AsArray<T>()
            : throw new InvalidOperationException(
                $"The array holds {DType.KerasName()}, not {DTypes.Of<T>().KerasName()}; {nameof(Cast)} converts it.");

    /// <summary>
    /// The same numbers in another type, each rounded once to nearest, ties to even. A float becomes an integer by cutting off its
    /// fraction; values outside the integer's range become its nearest end, NaN becomes 0.
    /// </summary>
    /// <returns>A new array, or this one if it has the type already.</returns>
    public NdArray Cast(DType dtype)
    {
        if (dtype == DType)
            return this;
        return DType switch
        {
            DType.Float16 => CastExact<Half>(dtype, x => (double)x),
            DType.BFloat16 => CastExact<BFloat16>(dtype, x => (double)x),
            DType.Float32 => CastExact<float>(dtype, x => x),
            DType.Float64 => CastExact<double>(dtype, x => x),
            DType.Int32 => CastExact<int>(dtype, x => x),
            DType.UInt8 => CastExact<byte>(dtype, x => x),
            _ => CastLong(dtype),
        };
    }

    /// <summary>Every type but int64 widens to double exactly, so that only the second conversion rounds.</summary>
    NdArray CastExact<T>(DType dtype, Func<T, double> widen)
        where T : unmanaged => dtype switch
        {
            DType.Float16 => Map<T, Half>(x => (Half)widen(x)),
            DType.BFloat16 => Map<T, BFloat16>(x => (BFloat16)widen(x)),
            DType.Float32 => Map<T, float>(x => (float)widen(x)),
            DType.Float64 => Map(widen),
            DType.Int32 => Map<T, int>(x => (int)widen(x)),
            DType.Int64 => Map<T, long>(x => (long)widen(x)),
            DType.UInt8 => Map<T, byte>(x => byte.CreateSaturating(widen(x))),
            _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Not a dtype."),
        };

    NdArray CastLong(DType dtype) => dtype switch
    {
        DType.Float16 => Map<long, Half>(x => (Half)(double)x), // whatever rounds to double is far beyond the largest Half
        DType.BFloat16 => Map<long, BFloat16>(x => (BFloat16)ToOddDouble(x)),
        DType.Float32 => Map<long, float>(x => x),
        DType.Float64 => Map<long, double>(x => x),
        DType.Int32 => Map<long, int>(int.CreateSaturating),
        DType.UInt8 => Map<long, byte>(byte.CreateSaturating),
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Not a dtype."),
    };

    /// <summary>
    /// The integer, or if it has more than 53 bits its upper bits, the last of them set if something was cut off: rounded again, that
    /// gives what rounding once gives.
    /// </summary>
    static double ToOddDouble(long value)
    {
        const long lost = 0xFFF;
        bool fits = Math.Abs((double)value) < 1L << 53;
        return fits || (value & lost) == 0 ? value : (value & ~lost) | (lost + 1) >> 1;
    }

    NdArray Map<TFrom, TTo>(Func<TFrom, TTo> convert)
        where TFrom : unmanaged
        where TTo : unmanaged
    {
        var from = AsSpan<TFrom>();
        var to = new TTo[from.Length];
        for (int i = 0; i < to.Length; i++)
            to[i] = convert(from[i]);
        return new(DTypes.Of<TTo>(), ByteRange.Of(to), _shape);
    }
}
