namespace Infinorm.Rules;

/// <summary>How an optimizer keeps its slots.</summary>
public enum SlotStorage
{
    /// <summary>As floats, or as doubles for a variable of doubles: what Keras does, bit for bit.</summary>
    Full,

    /// <summary>
    /// As codes of one byte, with one float for every 256 elements of a variable: a quarter of the memory. A slot then has
    /// three or four bits of fraction; it is rounded up or down at random, so that the mean is right.
    /// </summary>
    Byte,
}
