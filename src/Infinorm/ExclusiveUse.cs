namespace Infinorm;

/// <summary>Says whether an optimizer is in use: by a step, or because its averages are in the variables.</summary>
sealed class UseFlag
{
    int _busy;

    /// <exception cref="InvalidOperationException">It is in use.</exception>
    public ExclusiveUse Enter(string optimizer) => Interlocked.CompareExchange(ref _busy, 1, 0) == 0
        ? new ExclusiveUse(this)
        : throw new InvalidOperationException($"{optimizer} is in use: by another thread, or because its averages are in the variables.");

    public void Leave() => Volatile.Write(ref _busy, 0);
}

/// <summary>The use of an optimizer, until it is disposed.</summary>
readonly struct ExclusiveUse(UseFlag flag) : IDisposable
{
    public void Dispose() => flag.Leave();
}
