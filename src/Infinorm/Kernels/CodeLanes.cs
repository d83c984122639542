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

    static abstract V LoadBytes(byte* source);

    static abstract void StoreBytes(byte* target, V value);

    static abstract V operator +(V left, V right);

    static abstract V operator -(V left, V right);

    static abstract V operator *(V left, V right);

    static abstract V operator &(V left, V right);

    static abstract V operator |(V left, V right);

    static abstract V operator ^(V left, V right);

    static abstract V operator <<(V value, int count);

    static abstract V operator >>(V value, int count);

    /// <summary>The product as floats.</summary>
    static abstract V MultiplyFloats(V left, V right);

    /// <summary>The smaller of each pair, as signed integers.</summary>
    static abstract V Min(V left, V right);

    /// <summary>The larger of each pair, as signed integers.</summary>
    static abstract V Max(V left, V right);

    /// <summary>All bits set where an integer is zero.</summary>
    static abstract V IsZero(V value);

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
    public static void StoreBytes(byte* target, CodeLane512 value) => Avx512F.ConvertToVector128Byte(value._value).Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 operator +(CodeLane512 left, CodeLane512 right) => new(left._value + right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 operator -(CodeLane512 left, CodeLane512 right) => new(left._value - right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 operator *(CodeLane512 left, CodeLane512 right) => new(left._value * right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 operator &(CodeLane512 left, CodeLane512 right) => new(left._value & right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 operator |(CodeLane512 left, CodeLane512 right) => new(left._value | right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 operator ^(CodeLane512 left, CodeLane512 right) => new(left._value ^ right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 operator <<(CodeLane512 value, int count) => new(value._value << count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane512 operator >>(CodeLane512 value, int count) => new(value._value >>> count);

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
    public static CodeLane512 IsZero(CodeLane512 value) => new(Vector512.Equals(value._value, Vector512<uint>.Zero));

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
    public static CodeLane256 LoadBytes(byte* source)
    {
        if (Avx2.IsSupported)
            return new(Avx2.ConvertToVector256Int32(source).AsUInt32());
        Vector128<ushort> shorts = Vector128.WidenLower(Vector128.CreateScalar(Unsafe.ReadUnaligned<ulong>(source)).AsByte());
        return new(Vector256.Create(Vector128.WidenLower(shorts), Vector128.WidenUpper(shorts)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBytes(byte* target, CodeLane256 value)
    {
        Vector128<ushort> shorts = Vector128.Narrow(value._value.GetLower(), value._value.GetUpper());
        Unsafe.WriteUnaligned(target, Vector128.Narrow(shorts, shorts).AsUInt64().ToScalar());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 operator +(CodeLane256 left, CodeLane256 right) => new(left._value + right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 operator -(CodeLane256 left, CodeLane256 right) => new(left._value - right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 operator *(CodeLane256 left, CodeLane256 right) => new(left._value * right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 operator &(CodeLane256 left, CodeLane256 right) => new(left._value & right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 operator |(CodeLane256 left, CodeLane256 right) => new(left._value | right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 operator ^(CodeLane256 left, CodeLane256 right) => new(left._value ^ right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 operator <<(CodeLane256 value, int count) => new(value._value << count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 operator >>(CodeLane256 value, int count) => new(value._value >>> count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 MultiplyFloats(CodeLane256 left, CodeLane256 right) =>
        new((left._value.AsSingle() * right._value.AsSingle()).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 Min(CodeLane256 left, CodeLane256 right) =>
        new(Vector256.Min(left._value.AsInt32(), right._value.AsInt32()).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 Max(CodeLane256 left, CodeLane256 right) =>
        new(Vector256.Max(left._value.AsInt32(), right._value.AsInt32()).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodeLane256 IsZero(CodeLane256 value) => new(Vector256.Equals(value._value, Vector256<uint>.Zero));

    public static int Largest(CodeLane256 value)
    {
        Vector256<int> values = value._value.AsInt32();
        Vector128<int> four = Vector128.Max(values.GetLower(), values.GetUpper());
        return Math.Max(Math.Max(four[0], four[1]), Math.Max(four[2], four[3]));
    }
}
