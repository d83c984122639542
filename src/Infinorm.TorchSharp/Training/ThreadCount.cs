using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>
/// Makes every thread compute with the same number of libtorch threads as the thread that began. libtorch keeps this number for each calling
/// thread, and the bits of its sums depend on it. After an await, the code may continue on any thread.
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
