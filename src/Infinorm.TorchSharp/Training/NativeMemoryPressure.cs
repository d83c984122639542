using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>
/// Tensors that may or may not be used again. The garbage collector finds out, but does not see how much memory they hold, so it is
/// asked to whenever that has become much, counted over all data of the process.
/// </summary>
static class NativeMemoryPressure
{
    const long Much = 64L << 20;

    static long _bytes;

    /// <summary>Counts tensors to which the caller no longer refers.</summary>
    public static void Add(IEnumerable<Tensor> tensors)
    {
        long bytes = tensors.Where(tensor => !tensor.IsInvalid).Sum(tensor => tensor.numel() * tensor.ElementSize);
        if (Interlocked.Add(ref _bytes, bytes) < Much)
            return;
        Interlocked.Exchange(ref _bytes, 0);
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }
}
