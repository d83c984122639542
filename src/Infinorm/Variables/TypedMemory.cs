using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Infinorm.Types;

namespace Infinorm.Variables;

/// <summary>
/// A piece of <see cref="Memory{T}"/> whose element type is a value, not a type parameter: an array or a memory manager, the first
/// element, the number of elements. It is what the pipeline keeps of a variable and of a gradient.
/// </summary>
/// <param name="Owner">The array or memory manager; <see langword="null"/> for no memory.</param>
/// <param name="Start">The first element.</param>
/// <param name="Length">The number of elements.</param>
/// <param name="DType">The element type.</param>
readonly record struct TypedMemory(object? Owner, int Start, int Length, DType DType)
{
    // Asked for in every step, where looking at the owner itself, which is seldom in the cache, would show.
    readonly OwnerKind _kind = Owner switch
    {
        null => OwnerKind.None,
        Array => OwnerKind.Array,
        RowGradient rows => rows.Values.IsForeign ? OwnerKind.ForeignRows : OwnerKind.Rows,
        IVouchedMemory => OwnerKind.Vouched,
        _ => OwnerKind.Foreign,
    };

    /// <summary>Whether the owner is the sparse gradient whose values these are.</summary>
    public bool IsRows => _kind is OwnerKind.Rows or OwnerKind.ForeignRows;

    /// <summary>Whether it is a memory manager's of which nothing is known: the memory may move or go away.</summary>
    public bool IsForeign => _kind is OwnerKind.Foreign or OwnerKind.ForeignRows;

    public static TypedMemory Of<T>(ReadOnlyMemory<T> memory)
        where T : unmanaged
    {
        DType dtype = DTypes.Of<T>();
        if (MemoryMarshal.TryGetArray(memory, out ArraySegment<T> segment))
            return new(segment.Array, segment.Offset, segment.Count, dtype);
        if (MemoryMarshal.TryGetMemoryManager(memory, out MemoryManager<T>? manager, out int start, out int length))
            return new(manager, start, length, dtype);
        throw new ArgumentException("The memory is neither an array's nor a memory manager's.", nameof(memory));
    }

    /// <summary>Whether it is the same memory.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsSameAs(in TypedMemory other) =>
        ReferenceEquals(Owner, other.Owner) && Start == other.Start && Length == other.Length && DType == other.DType;

    /// <summary>The element at <paramref name="index"/>; it moves with its array, so the caller pins it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref byte At(int index) => ref At(index, DType.Size());

    /// <summary>The element at <paramref name="index"/>, where its size is known.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref byte At(int index, int elementSize) => ref Unsafe.AddByteOffset(ref First(), (nint)(Start + index) * elementSize);

    /// <summary>The address of the first element now; the memory may move with its array.</summary>
    /// <param name="path">Whose memory it is, for messages.</param>
    /// <exception cref="ArgumentException">The memory manager has fewer elements than it had.</exception>
    /// <exception cref="ObjectDisposedException">The memory manager is disposed, if it says so.</exception>
    public unsafe nint AddressNow(string path)
    {
        ref byte first = ref FirstOfManager(out int found);
        if (found < Start + Length)
            throw new ArgumentException($"{path}: its memory manager has {found} elements now; {Start + Length} are needed.");
        return (nint)Unsafe.AsPointer(ref Unsafe.AddByteOffset(ref first, (nint)Start * DType.Size()));
    }

    /// <summary>Keeps the elements where they are until the handle is disposed.</summary>
    public MemoryHandle Pin() => DType switch
    {
        DType.Float32 => Pin<float>(),
        DType.Float64 => Pin<double>(),
        DType.Float16 => Pin<Half>(),
        DType.BFloat16 => Pin<BFloat16>(),
        DType.Int32 => Pin<int>(),
        DType.UInt8 => Pin<byte>(),
        _ => Pin<long>(),
    };

    /// <summary>Whether any element is also one of <paramref name="other"/>'s.</summary>
    public unsafe bool Overlaps(TypedMemory other)
    {
        if (Length == 0 || other.Length == 0)
            return false;
        if (ReferenceEquals(Owner, other.Owner))
            return Start < other.Start + other.Length && other.Start < Start + Length;
        if (_kind == OwnerKind.Array && other._kind == OwnerKind.Array)
            return false;

        // Memory managers may view one native block, or an array of somebody's.
        fixed (byte* a = &At(0), b = &other.At(0))
            return a < b + ((nint)other.Length * other.DType.Size()) && b < a + ((nint)Length * DType.Size());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    ref byte First()
    {
        // As any other array, and known not to be null, so that the array itself is not looked at.
        if (Owner is { } owner && _kind == OwnerKind.Array)
            return ref MemoryMarshal.GetArrayDataReference(Unsafe.As<byte[]>(owner));
        return ref FirstOfManager(out _);
    }

    ref byte FirstOfManager(out int length)
    {
        switch (DType)
        {
            case DType.Float32: return ref FirstOf<float>(Owner!, out length);
            case DType.Float64: return ref FirstOf<double>(Owner!, out length);
            case DType.Float16: return ref FirstOf<Half>(Owner!, out length);
            case DType.BFloat16: return ref FirstOf<BFloat16>(Owner!, out length);
            case DType.Int32: return ref FirstOf<int>(Owner!, out length);
            case DType.UInt8: return ref FirstOf<byte>(Owner!, out length);
            default: return ref FirstOf<long>(Owner!, out length);
        }
    }

    static ref byte FirstOf<T>(object owner, out int length)
        where T : unmanaged
    {
        Span<T> elements = Unsafe.As<MemoryManager<T>>(owner).GetSpan();
        length = elements.Length;
        return ref Unsafe.As<T, byte>(ref MemoryMarshal.GetReference(elements));
    }

    MemoryHandle Pin<T>()
        where T : unmanaged => Owner is T[] array ? array.AsMemory(Start, Length).Pin() : ((MemoryManager<T>)Owner!).Pin(Start);

    enum OwnerKind : byte
    {
        None,
        Array,
        Vouched,
        Foreign,
        Rows,
        ForeignRows,
    }
}

/// <summary>A memory manager of ours, which sees to it that its memory is there in every step and overlaps nothing.</summary>
interface IVouchedMemory;
