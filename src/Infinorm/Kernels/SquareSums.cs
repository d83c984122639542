using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Infinorm.Kernels;

/// <summary>
/// Sums of squares whose bits depend on neither the width of the vectors nor the number of threads: each square is rounded to the type
/// of its element, and element i is added, in double, to sum i mod 64. Narrower machines carry a 512-bit vector out in pieces.
/// </summary>
static unsafe class SquareSums
{
    /// <summary>How many sums there are.</summary>
    public const int Count = 64;

    /// <summary>Adds the squares of a block that begins at a multiple of 64 elements.</summary>
    public static void Add(byte* source, DType type, int count, double* sums)
    {
        if (type == DType.Float64)
            Add((double*)source, count, sums);
        else
            Add((float*)source, count, sums);
    }

    /// <summary>The total: halves are folded onto each other.</summary>
    public static double Fold(double* sums)
    {
        for (int half = Count / 2; half > 0; half /= 2)
        {
            for (int i = 0; i < half; i++)
                sums[i] += sums[i + half];
        }

        return sums[0];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Add(float* source, int count, double* sums)
    {
        int i = 0;
        if (Vector128.IsHardwareAccelerated && count >= Count)
        {
            var (a, b, c, d, e, f, g, h) = Load(sums);
            for (; i <= count - Count; i += Count)
            {
                AddSquares(Vector512.Load(source + i), ref a, ref b);
                AddSquares(Vector512.Load(source + i + 16), ref c, ref d);
                AddSquares(Vector512.Load(source + i + 32), ref e, ref f);
                AddSquares(Vector512.Load(source + i + 48), ref g, ref h);
            }

            Store(sums, a, b, c, d, e, f, g, h);
        }

        for (; i < count; i++)
            sums[i % Count] += source[i] * source[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Add(double* source, int count, double* sums)
    {
        int i = 0;
        if (Vector128.IsHardwareAccelerated && count >= Count)
        {
            var (a, b, c, d, e, f, g, h) = Load(sums);
            for (; i <= count - Count; i += Count)
            {
                a += Square(source + i);
                b += Square(source + i + 8);
                c += Square(source + i + 16);
                d += Square(source + i + 24);
                e += Square(source + i + 32);
                f += Square(source + i + 40);
                g += Square(source + i + 48);
                h += Square(source + i + 56);
            }

            Store(sums, a, b, c, d, e, f, g, h);
        }

        for (; i < count; i++)
            sums[i % Count] += source[i] * source[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector512<double> Square(double* source)
    {
        Vector512<double> values = Vector512.Load(source);
        return values * values;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void AddSquares(Vector512<float> values, ref Vector512<double> lower, ref Vector512<double> upper)
    {
        Vector512<float> squares = values * values;
        lower += Vector512.WidenLower(squares);
        upper += Vector512.WidenUpper(squares);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static (Vector512<double>, Vector512<double>, Vector512<double>, Vector512<double>,
        Vector512<double>, Vector512<double>, Vector512<double>, Vector512<double>) Load(double* sums) => (
            Vector512.Load(sums), Vector512.Load(sums + 8), Vector512.Load(sums + 16), Vector512.Load(sums + 24),
            Vector512.Load(sums + 32), Vector512.Load(sums + 40), Vector512.Load(sums + 48), Vector512.Load(sums + 56));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Store(
        double* sums, Vector512<double> a, Vector512<double> b, Vector512<double> c, Vector512<double> d,
        Vector512<double> e, Vector512<double> f, Vector512<double> g, Vector512<double> h)
    {
        a.Store(sums);
        b.Store(sums + 8);
        c.Store(sums + 16);
        d.Store(sums + 24);
        e.Store(sums + 32);
        f.Store(sums + 40);
        g.Store(sums + 48);
        h.Store(sums + 56);
    }
}
