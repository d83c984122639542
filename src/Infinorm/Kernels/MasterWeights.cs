using Infinorm.Types;

namespace Infinorm.Kernels;

/// <summary>A 16-bit variable's float copy that is kept from call to call; the variable is its rounding.</summary>
static unsafe class MasterWeights
{
    /// <summary>
    /// Takes into a block of the copy what was assigned to the variable since the last call: the elements of the variable that are not
    /// their copy's rounding to nearest.
    /// </summary>
    /// <param name="master">The copy, float.</param>
    /// <param name="variable">The variable, of type <paramref name="type"/>.</param>
    /// <param name="type">A 16-bit type.</param>
    /// <param name="count">The number of elements.</param>
    /// <param name="scratch">Memory for this many floats.</param>
    public static void Follow(byte* master, byte* variable, DType type, int count, byte* scratch)
    {
        Conversions.Convert(master, DType.Float32, scratch, type, count);
        var expected = new ReadOnlySpan<ushort>(scratch, count);
        var found = new ReadOnlySpan<ushort>(variable, count);
        for (int i = expected.CommonPrefixLength(found); i < count; i++)
        {
            if (expected[i] != found[i])
                Conversions.Convert((byte*)((ushort*)variable + i), type, (byte*)((float*)master + i), DType.Float32, 1);
        }
    }
}
