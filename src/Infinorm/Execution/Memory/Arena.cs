using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Infinorm.Kernels;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Execution.Memory;

/// <summary>
/// One block of memory for all slots of an optimizer: zeroed, pinned and managed, cut at cache lines, so nothing has to be disposed
/// and nothing is freed while somebody can see it.
/// </summary>
sealed unsafe class Arena
{
    /// <summary>The size of a cache line and of the widest lane: slots begin and end at multiples of it.</summary>
    public const int Alignment = Prefetch.LineSize;

    /// <summary>
    /// What is put between streams that a step walks in parallel: whole pages apart, they would all want the same lines of the cache.
    /// </summary>
    public const int Stagger = 9 * Alignment;

    readonly Vector512<byte>[] _lines;
    readonly byte* _end;

    /// <exception cref="OutOfMemoryException">There is not so much memory.</exception>
    public Arena(nint bytes)
    {
        _lines = GC.AllocateArray<Vector512<byte>>((int)Math.Min(int.MaxValue, (Padded(bytes) / Alignment) + 1), pinned: true);
        First = (byte*)Padded((nint)Unsafe.AsPointer(ref _lines[0]));
        _end = First + bytes;
    }

    /// <summary>The first byte, at the start of a cache line.</summary>
    public byte* First { get; }

    /// <summary>The least multiple of <see cref="Alignment"/> that is at least this many bytes.</summary>
    public static nint Padded(nint bytes) => (bytes + Alignment - 1) & ~(nint)(Alignment - 1);

    /// <summary>Whether an address is in this arena.</summary>
    public bool Holds(byte* address) => address >= First && address < _end;

    /// <summary>
    /// The elements at an address of this arena as memory that keeps the arena alive; <paramref name="beforeLook"/> is called whenever
    /// somebody is about to look at them.
    /// </summary>
    public Memory<T> View<T>(byte* address, int length, Action? beforeLook = null)
        where T : unmanaged => new ArenaMemory<T>(this, address, length, beforeLook).Memory;

    /// <summary>The elements at an address, in the type that a variable is computed in, as a variable of its shape.</summary>
    public Variable ViewAs(in VariableState state, byte* address, string path, Action? beforeLook) =>
        ViewAs(in state, address, state.Elements.Length, state.Variable.Shape, path, beforeLook);

    /// <summary>As above, of another shape.</summary>
    public Variable ViewAs(
        in VariableState state, byte* address, int length, ReadOnlySpan<nint> shape, string path, Action? beforeLook) =>
        state.ComputeType == DType.Float64
            ? new Variable<double>(path, View<double>(address, length, beforeLook), shape)
            : new Variable<float>(path, View<float>(address, length, beforeLook), shape);

    /// <summary>The elements at an address as a variable.</summary>
    public Variable ViewAs<T>(byte* address, int length, ReadOnlySpan<nint> shape, string path)
        where T : unmanaged => new Variable<T>(path, View<T>(address, length), shape);

    sealed class ArenaMemory<T>(Arena arena, byte* address, int length, Action? beforeLook) : MemoryManager<T>, IVouchedMemory
        where T : unmanaged
    {
        readonly Arena _arena = arena;

        public override Span<T> GetSpan()
        {
            beforeLook?.Invoke();
            return new(address, length);
        }

        public override MemoryHandle Pin(int elementIndex = 0)
        {
            beforeLook?.Invoke();
            return new(address + ((nint)elementIndex * sizeof(T)), default, this);
        }

        public override void Unpin() => GC.KeepAlive(_arena);

        protected override void Dispose(bool disposing)
        {
        }
    }
}
