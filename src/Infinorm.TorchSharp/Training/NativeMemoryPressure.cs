using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>
/// Tensors that may or may not be used again. The garbage collector finds out, but does not see how much memory they hold, so it is
/// asked to whenever that has become much, counted over all data of the process.
/// </summary>
static class NativeMemoryPressure
{
    const long Much = 64L << 20, Little = 64L << 10;

    static long _bytes, _given, _mostGiven = Much, _held = Environment.WorkingSet;

    /// <summary>Counts tensors to which the caller no longer refers.</summary>
    public static void Add(IEnumerable<Tensor> tensors)
    {
        if (Interlocked.Add(ref _bytes, SizeOf(tensors)) < Much)
            return;
        Interlocked.Exchange(ref _bytes, 0);
        Collect();
    }

    /// <summary>
    /// Counts the tensors that a source gave away, where what it made on the way cannot be counted, as on the threads on which an
    /// asynchronous source goes on. Where the process grows nevertheless, more is left for each byte that is given, and fewer are waited
    /// for.
    /// </summary>
    public static void AddGiven(IEnumerable<Tensor> tensors)
    {
        long given = Interlocked.Add(ref _given, SizeOf(tensors));
        bool grows = Environment.WorkingSet - Interlocked.Read(ref _held) >= Much;
        if (given < Interlocked.Read(ref _mostGiven) && !grows)
            return;
        if (grows)
            Interlocked.Exchange(ref _mostGiven, Math.Max(Little, Interlocked.Read(ref _mostGiven) / 4));
        Interlocked.Exchange(ref _given, 0);
        Collect();
        Interlocked.Exchange(ref _held, Environment.WorkingSet);
    }

    // An empty handle has no size any more.
    static long SizeOf(IEnumerable<Tensor> tensors) =>
        tensors.Where(tensor => !tensor.IsInvalid).Sum(tensor => tensor.numel() * tensor.ElementSize);

    static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }
}
