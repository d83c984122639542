namespace Infinorm.Keras.Hdf5;

/// <summary>A mark for each byte of a file: an eighth of its size, whatever is marked.</summary>
sealed class ByteMarks(long length)
{
    readonly ulong[] _words = new ulong[(length + 63) / 64];

    /// <summary>Marks the bytes from <paramref name="start"/> to before <paramref name="end"/>.</summary>
    public void Set(long start, long end)
    {
        for (long at = start; at < end;)
        {
            long word = at / 64;
            _words[word] |= Mask(ref at, end);
        }
    }

    /// <summary>Whether one of these bytes is marked.</summary>
    public bool AnyIn(long start, long end)
    {
        for (long at = start; at < end;)
        {
            long word = at / 64;
            if ((_words[word] & Mask(ref at, end)) != 0)
                return true;
        }

        return false;
    }

    // The bits of the word at a place that lie before the end; moves on to the next word.
    static ulong Mask(ref long at, long end)
    {
        int first = (int)(at % 64), count = (int)Math.Min(64 - first, end - at);
        at += count;
        return (ulong.MaxValue >> (64 - count)) << first;
    }
}
