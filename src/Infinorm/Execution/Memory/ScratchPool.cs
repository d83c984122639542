namespace Infinorm.Execution.Memory;

/// <summary>
/// Memory for rules over whole variables, all made before the first step, so that no later step allocates: as many pieces as threads work
/// at the same time, for the largest variables. A thread waits where every piece that is large enough for its variable is taken.
/// </summary>
sealed unsafe class ScratchPool
{
    readonly (nint Size, Arena Memory)[] _pieces; // the smallest first
    readonly int[] _taken;

    /// <summary>Makes the pieces.</summary>
    /// <param name="sizes">How many bytes each variable takes.</param>
    /// <param name="threads">How many threads work at the same time.</param>
    public ScratchPool(IEnumerable<nint> sizes, int threads)
    {
        _pieces = [.. sizes.OrderDescending().Take(threads).Reverse().Select(size => (size, new Arena(size)))];
        _taken = new int[_pieces.Length];
    }

    /// <summary>Takes a piece of at least this many bytes.</summary>
    /// <returns>The number of the piece.</returns>
    public int Take(nint bytes, out byte* first)
    {
        var wait = default(SpinWait);
        while (true)
        {
            for (int i = 0; i < _pieces.Length; i++)
            {
                if (_pieces[i].Size < bytes || Interlocked.CompareExchange(ref _taken[i], 1, 0) != 0)
                    continue;
                first = _pieces[i].Memory.First;
                return i;
            }

            wait.SpinOnce();
        }
    }

    /// <summary>Gives a piece back.</summary>
    public void Return(int piece) => Volatile.Write(ref _taken[piece], 0);
}
