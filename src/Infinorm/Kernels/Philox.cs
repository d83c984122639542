using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Infinorm.Kernels;

/// <summary>
/// Philox 4x32-10 (Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011): four random words from a counter of four words and
/// a key of two. It has no state, so any thread can make the numbers of any place.
/// </summary>
static class Philox
{
    const int Rounds = 10;

    /// <summary>
    /// Turns four counters, one in each lane, into their random words. Words are the lower halves of the lanes; upper halves do not matter
    /// and are left undefined.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Generate(
        ref Vector256<ulong> word0, ref Vector256<ulong> word1, ref Vector256<ulong> word2, ref Vector256<ulong> word3,
        uint key0, uint key1)
    {
        Vector256<ulong> roundKey0 = Vector256.Create((ulong)key0), roundKey1 = Vector256.Create((ulong)key1);
        for (int round = 0; round < Rounds; round++)
        {
            Vector256<ulong> product0 = Multiply(word0, 0xD2511F53), product1 = Multiply(word2, 0xCD9E8D57);
            word0 = (product1 >> 32) ^ word1 ^ roundKey0;
            word2 = (product0 >> 32) ^ word3 ^ roundKey1;
            (word1, word3) = (product1, product0);
            roundKey0 += Vector256.Create(0x9E3779B9UL);
            roundKey1 += Vector256.Create(0xBB67AE85UL);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector256<ulong> Multiply(Vector256<ulong> words, uint factor) => Avx2.IsSupported
        ? Avx2.Multiply(words.AsUInt32(), Vector256.Create((ulong)factor).AsUInt32())
        : (words & Vector256.Create((ulong)uint.MaxValue)) * Vector256.Create((ulong)factor);
}
