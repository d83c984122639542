using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>
/// Has every thread compute with as many threads as the one that began. libtorch keeps their number for each calling thread, and the bits
/// of its sums depend on it, and after an await the code may continue on any thread.
/// </summary>
sealed class ThreadCount
{
    readonly int _count = get_num_threads();

    /// <summary>To be called after each wait.</summary>
    public void Restore()
    {
        if (get_num_threads() != _count)
            set_num_threads(_count);
    }
}
