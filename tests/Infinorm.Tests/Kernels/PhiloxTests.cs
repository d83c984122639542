using System.Runtime.Intrinsics;
using Infinorm.Kernels;

namespace Infinorm.Tests.Kernels;

public class PhiloxTests
{
    /// <summary>The known answers that its authors publish with it (Random123, kat_vectors).</summary>
    [Theory]
    [InlineData(
        new uint[] { 0, 0, 0, 0 }, new uint[] { 0, 0 }, new uint[] { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 })]
    [InlineData(
        new uint[] { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff }, new uint[] { 0xffffffff, 0xffffffff },
        new uint[] { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd })]
    [InlineData(
        new uint[] { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, new uint[] { 0xa4093822, 0x299f31d0 },
        new uint[] { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 })]
    public void GivesItsKnownAnswers(uint[] counter, uint[] key, uint[] expected)
    {
        // The other lanes hold other counters, and the upper halves of all rubbish.
        Vector256<ulong>[] words = Array.ConvertAll(
            counter, word => Vector256.Create(7UL, word, word, ~word) | Vector256.Create(0xABCD_EF01_0000_0000));
        Philox.Generate(ref words[0], ref words[1], ref words[2], ref words[3], key[0], key[1]);
        Assert.Equal(expected, Array.ConvertAll(words, word => (uint)word[1]));
        Assert.Equal(expected, Array.ConvertAll(words, word => (uint)word[2]));
        Assert.NotEqual(expected, Array.ConvertAll(words, word => (uint)word[0]));
        Assert.Equal(expected, Scalar(counter, key));
    }

    /// <summary>As the paper has it, one counter at a time.</summary>
    internal static uint[] Scalar(uint[] counter, uint[] key)
    {
        (uint a, uint b, uint c, uint d) = (counter[0], counter[1], counter[2], counter[3]);
        for (uint round = 0; round < 10; round++)
        {
            ulong first = 0xD2511F53UL * a, second = 0xCD9E8D57UL * c;
            (a, b) = ((uint)(second >> 32) ^ b ^ (key[0] + (round * 0x9E3779B9)), (uint)second);
            (c, d) = ((uint)(first >> 32) ^ d ^ (key[1] + (round * 0xBB67AE85)), (uint)first);
        }

        return [a, b, c, d];
    }
}
