namespace Infinorm.Execution.Memory;

/// <summary>
/// Memory for rules over whole variables: a piece for each thread that works at the same time. All are made before the first step, large
/// enough for any variable, so that no later step allocates. Until a piece is used, it takes addresses but no memory.
/// </summary>
/// <param name="bytes">The size of a piece.</param>
/// <param name="count">How many pieces there are.</param>
sealed unsafe class ScratchPool(nint bytes, int count)
{
    readonly Arena[] _pieces = [.. Enumerable.Range(0, count).Select(_ => new Arena(bytes))];
    readonly int[] _taken = new int[count];

    /// <summary>Takes a piece; waits where a helper of the last step is still on its way out.</summary>
    /// <returns>The number of the piece.</returns>
    public int Take(out byte* first)
    {
        var wait = default(SpinWait);
        while (true)
        {
            for (int i = 0; i < _taken.Length; i++)
            {
                if (Interlocked.CompareExchange(ref _taken[i], 1, 0) != 0)
                    continue;
                first = _pieces[i].First;
                return i;
            }

            wait.SpinOnce();
        }
    }

    /// <summary>Gives a piece back.</summary>
    public void Return(int piece) => Volatile.Write(ref _taken[piece], 0);
}
