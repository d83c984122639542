using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Infinorm.Kernels;

/// <summary>A register of 32-bit integers, which may be the bits of floats: what codes of one byte are made of and made into.</summary>
unsafe interface ICodeLane<V>
    where V : struct, ICodeLane<V>
{
    /// <summary>How many integers it has.</summary>
    static abstract int Count { get; }

    static abstract V Of(uint value);

    /// <summary>0, 1, 2 and so on.</summary>
    static abstract V Indices { get; }

    /// <summary>Each from a byte.</summary>
    static abstract V LoadBytes(byte* source);

    /// <summary>Each from a byte with a sign.</summary>
    static abstract V LoadSignedBytes(byte* source);

    /// <summary>The integers of both, which are below 65,536, in 16 bits each; in an order that <see cref="StoreBytes"/> undoes.</summary>
    static abstract V Narrow(V first, V second);

    /// <summary>Four registers of integers below 256, narrowed two by two, as bytes.</summary>
    static abstract void StoreBytes(byte* target, V firstTwo, V lastTwo);

    static abstract V operator +(V left, V right);

    static abstract V operator *(V left, V right);

    static abstract V operator &(V left, V right);

    static abstract V operator |(V left, V right);

    static abstract V operator <<(V value, int count);

    static abstract V operator >>(V value, int count);

    /// <summary>(first &amp; second) | third.</summary>
    static abstract V AndOr(V first, V second, V third);

    /// <summary>The sum as floats.</summary>
    static abstract V AddFloats(V left, V right);

    /// <summary>The difference as floats.</summary>
    static abstract V SubtractFloats(V left, V right);

    /// <summary>The product as floats.</summary>
    static abstract V MultiplyFloats(V left, V right);

    /// <summary>The smaller of each pair, as signed integers.</summary>
    static abstract V Min(V left, V right);

    /// <summary>The larger of each pair, as signed integers.</summary>
    static abstract V Max(V left, V right);

    /// <summary>The largest of all, as signed integers.</summary>
    static abstract int Largest(V value);
}

readonly unsafe struct CodeLane512(Vector512<uint> value) : ICodeLane<CodeLane512>
{
    readonly Vector512<uint> _value = value;

    public static int Count => 16;

    public static CodeLane512 Indices => new(Vector512<uint>.Indices);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 Of(uint value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 LoadBytes(byte* source) => new(Avx512F.ConvertToVector512UInt32(Vector128.Load(source)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 LoadSignedBytes(byte* source) => new(Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)source)).AsUInt32());

    // Packing goes by 128 bits, so that four integers of each register come to lie behind each other.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 Narrow(CodeLane512 first, CodeLane512 second) =>
        new(Avx512BW.PackUnsignedSaturate(first._value.AsInt32(), second._value.AsInt32()).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBytes(byte* target, CodeLane512 firstTwo, CodeLane512 lastTwo)
    {
        Vector512<uint> packed = Avx512BW.PackUnsignedSaturate(firstTwo._value.AsInt16(), lastTwo._value.AsInt16()).AsUInt32();
        Avx512F.PermuteVar16x32(packed, Vector512.Create(0u, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)).AsByte().Store(target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 operator +(CodeLane512 left, CodeLane512 right) => new(left._value + right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 operator *(CodeLane512 left, CodeLane512 right) => new(left._value * right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 operator &(CodeLane512 left, CodeLane512 right) => new(left._value & right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 operator |(CodeLane512 left, CodeLane512 right) => new(left._value | right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 operator <<(CodeLane512 value, int count) => new(value._value << count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 operator >>(CodeLane512 value, int count) => new(value._value >>> count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 AndOr(CodeLane512 first, CodeLane512 second, CodeLane512 third)
    {
        const byte andOr = 0xEA; // of the tables 0xF0, 0xCC and 0xAA of the operands
        return new(Avx512F.TernaryLogic(first._value, second._value, third._value, andOr));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 AddFloats(CodeLane512 left, CodeLane512 right) =>
        new((left._value.AsSingle() + right._value.AsSingle()).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 SubtractFloats(CodeLane512 left, CodeLane512 right) =>
        new((left._value.AsSingle() - right._value.AsSingle()).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 MultiplyFloats(CodeLane512 left, CodeLane512 right) =>
        new((left._value.AsSingle() * right._value.AsSingle()).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 Min(CodeLane512 left, CodeLane512 right) =>
        new(Vector512.Min(left._value.AsInt32(), right._value.AsInt32()).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 Max(CodeLane512 left, CodeLane512 right) =>
        new(Vector512.Max(left._value.AsInt32(), right._value.AsInt32()).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Largest(CodeLane512 value) =>
        CodeLane256.Largest(new(Vector256.Max(value._value.GetLower().AsInt32(), value._value.GetUpper().AsInt32()).AsUInt32()));
}

/// <summary>Where there are no 256 bits in hardware, .NET emulates them.</summary>
readonly unsafe struct CodeLane256(Vector256<uint> value) : ICodeLane<CodeLane256>
{
    readonly Vector256<uint> _value = value;

    public static int Count => 8;

    public static CodeLane256 Indices => new(Vector256<uint>.Indices);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 Of(uint value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 LoadBytes(byte* source) => Avx2.IsSupported
        ? new(Avx2.ConvertToVector256Int32(source).AsUInt32())
        : new(Vector256.WidenLower(Vector256.WidenLower(Vector256.CreateScalar(Unsafe.ReadUnaligned<ulong>(source)).AsByte())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 LoadSignedBytes(byte* source) => Avx2.IsSupported
        ? new(Avx2.ConvertToVector256Int32((sbyte*)source).AsUInt32())
        : new(Vector256.WidenLower(Vector256.WidenLower(Vector256.CreateScalar(Unsafe.ReadUnaligned<ulong>(source)).AsSByte())).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 Narrow(CodeLane256 first, CodeLane256 second) => Avx2.IsSupported
        ? new(Avx2.PackUnsignedSaturate(first._value.AsInt32(), second._value.AsInt32()).AsUInt32())
        : new(Vector256.Narrow(first._value, second._value).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBytes(byte* target, CodeLane256 firstTwo, CodeLane256 lastTwo)
    {
        if (Avx2.IsSupported)
        {
            Vector256<int> packed = Avx2.PackUnsignedSaturate(firstTwo._value.AsInt16(), lastTwo._value.AsInt16()).AsInt32();
            Avx2.PermuteVar8x32(packed, Vector256.Create(0, 4, 1, 5, 2, 6, 3, 7)).AsByte().Store(target);
        }
        else
            Vector256.Narrow(firstTwo._value.AsUInt16(), lastTwo._value.AsUInt16()).Store(target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 operator +(CodeLane256 left, CodeLane256 right) => new(left._value + right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 operator *(CodeLane256 left, CodeLane256 right) => new(left._value * right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 operator &(CodeLane256 left, CodeLane256 right) => new(left._value & right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 operator |(CodeLane256 left, CodeLane256 right) => new(left._value | right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 operator <<(CodeLane256 value, int count) => new(value._value << count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 operator >>(CodeLane256 value, int count) => new(value._value >>> count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 AndOr(CodeLane256 first, CodeLane256 second, CodeLane256 third) => (first & second) | third;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 AddFloats(CodeLane256 left, CodeLane256 right) =>
        new((left._value.AsSingle() + right._value.AsSingle()).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 SubtractFloats(CodeLane256 left, CodeLane256 right) =>
        new((left._value.AsSingle() - right._value.AsSingle()).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 MultiplyFloats(CodeLane256 left, CodeLane256 right) =>
        new((left._value.AsSingle() * right._value.AsSingle()).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 Min(CodeLane256 left, CodeLane256 right) =>
        new(Vector256.Min(left._value.AsInt32(), right._value.AsInt32()).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 Max(CodeLane256 left, CodeLane256 right) =>
        new(Vector256.Max(left._value.AsInt32(), right._value.AsInt32()).AsUInt32());

    // Without branches, which would be guessed wrong half the time.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Largest(CodeLane256 value)
    {
        Vector256<int> values = value._value.AsInt32();
        Vector128<int> four = Vector128.Max(values.GetLower(), values.GetUpper());
        Vector128<int> two = Vector128.Max(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
        return Vector128.Max(two, Vector128.Shuffle(two, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }
}
