using System.Buffers;
using System.Runtime.InteropServices;

namespace Infinorm.Tests.Variables;

/// <summary>Memory outside the garbage collector's heap, as a native library's tensors have it.</summary>
sealed unsafe class UnmanagedMemory<T> : MemoryManager<T>
    where T : unmanaged
{
    readonly T* _first;
    readonly int _length;
    readonly bool _isOwner;

    public UnmanagedMemory(int length)
        : this((T*)NativeMemory.AllocZeroed((nuint)length, (nuint)sizeof(T)), length) => _isOwner = true;

    UnmanagedMemory(T* first, int length)
    {
        _first = first;
        _length = length;
    }

    /// <summary>Another manager over part of this memory.</summary>
    public Memory<T> View(int start, int length) => new UnmanagedMemory<T>(_first + start, length).Memory;

    public override Span<T> GetSpan() => new(_first, _length);

    public override MemoryHandle Pin(int elementIndex = 0) => new(_first + elementIndex);

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
        if (_isOwner)
            NativeMemory.Free(_first);
    }
}
