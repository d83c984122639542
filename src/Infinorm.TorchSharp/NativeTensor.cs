using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Infinorm.Torch;

/// <summary>
/// C functions of TorchSharp's native library that look at a tensor. Its .NET calls make a wrapper object for each gradient, which
/// takes three times as long and leaves garbage in every step. The functions' names are no promise of TorchSharp's, so whoever uses
/// them also works without: <see cref="IsAvailable"/>.
/// </summary>
static partial class NativeTensor
{
    const string Library = "LibTorchSharp";

    /// <summary>Whether the library has them all.</summary>
    public static bool IsAvailable { get; } = HasAll(
        nameof(THSTensor_grad), nameof(THSTensor_dispose), nameof(THSTensor_data), nameof(THSTensor_numel), nameof(THSTensor_type),
        nameof(THSTensor_device_type), nameof(THSTensor_is_sparse), nameof(THSTensor_is_contiguous));

    /// <summary>
    /// The same number for all handles of one tensor: a module may hand out a new one each time, for instance of a weight that it shares.
    /// A handle points to libtorch's <c>at::Tensor</c>, which is one pointer, to the tensor itself.
    /// </summary>
    public static nint IdentityOf(torch.Tensor tensor) => Marshal.ReadIntPtr(tensor.Handle);

    /// <summary>Whether a tensor is dense, contiguous, on the CPU, and of this type and length: its memory can be worked on where it is.</summary>
    public static bool IsPlain(nint tensor, sbyte type, long length) =>
        THSTensor_type(tensor) == type && THSTensor_numel(tensor) == length && THSTensor_device_type(tensor) == 0
        && THSTensor_is_sparse(tensor) == 0 && THSTensor_is_contiguous(tensor) != 0;

    /// <summary>A tensor over the elements of an array, which stays where it is as long as the tensor lives: of types that TorchSharp does not take.</summary>
    public static torch.Tensor Over<T>(T[] array, torch.ScalarType type)
        where T : unmanaged
    {
        GCHandle pin = GCHandle.Alloc(array, GCHandleType.Pinned);
        Deleter? deleter = null;
        deleter = _ =>
        {
            pin.Free();
            Deleters.TryRemove(deleter!, out byte _);
        };
        Deleters[deleter] = 0;
        nint tensor = THSTensor_frombuffer(pin.AddrOfPinnedObject(), Marshal.GetFunctionPointerForDelegate(deleter), array.Length, 0, (sbyte)type, (sbyte)type, 0, 0, 0);
        return torch.Tensor.UnsafeCreateTensor(tensor);
    }

    // Native code calls them; here they are kept alive until then.
    static readonly ConcurrentDictionary<Deleter, byte> Deleters = new();

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate void Deleter(nint memory);

    [LibraryImport(Library)]
    private static partial nint THSTensor_frombuffer(
        nint array, nint deleter, long count, long offset, sbyte type, sbyte originalType, int deviceType, int deviceIndex, byte requiresGrad);

    /// <summary>A new reference to a parameter's gradient, to be disposed; 0 where there is none.</summary>
    [LibraryImport(Library)]
    public static partial nint THSTensor_grad(nint tensor);

    [LibraryImport(Library)]
    public static partial void THSTensor_dispose(nint tensor);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial nint THSTensor_data(nint tensor);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    private static partial long THSTensor_numel(nint tensor);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    private static partial sbyte THSTensor_type(nint tensor);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    private static partial int THSTensor_device_type(nint tensor);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    private static partial byte THSTensor_is_sparse(nint tensor); // a C++ bool: the rest of the register is not defined

    [LibraryImport(Library)]
    [SuppressGCTransition]
    private static partial byte THSTensor_is_contiguous(nint tensor);

    static bool HasAll(params ReadOnlySpan<string> names)
    {
        if (!NativeLibrary.TryLoad(Library, typeof(NativeTensor).Assembly, searchPath: null, out nint library))
            return false;
        foreach (string name in names)
        {
            if (!NativeLibrary.TryGetExport(library, name, out _))
                return false;
        }

        return true;
    }
}
