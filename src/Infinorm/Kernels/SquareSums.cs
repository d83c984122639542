using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Infinorm.Types;

namespace Infinorm.Kernels;

/// <summary>
/// Sums of squares whose bits depend on neither the width of the vectors nor the number of threads: each square is rounded to the type
/// of its element, and element i is added, in double, to sum i mod 32, eight vectors of 256 bits.
/// </summary>
static unsafe class SquareSums
{
    /// <summary>How many sums there are.</summary>
    public const int Count = 32;

    /// <summary>Adds the squares of a block that begins at a multiple of 32 elements.</summary>
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

    [MethodImpl(Hot.Loop)]
    static void Add(float* source, int count, double* sums)
    {
        int i = 0;
        if (Vector128.IsHardwareAccelerated && count >= Count)
        {
            var (a, b, c, d, e, f, g, h) = Load(sums);
            for (; i <= count - Count; i += Count)
            {
                Prefetch.Ahead(source + i, Count * sizeof(float));
                AddSquares(source + i, ref a, ref b);
                AddSquares(source + i + 8, ref c, ref d);
                AddSquares(source + i + 16, ref e, ref f);
                AddSquares(source + i + 24, ref g, ref h);
            }

            Store(sums, a, b, c, d, e, f, g, h);
        }

        for (; i < count; i++)
            sums[i % Count] += source[i] * source[i];
    }

    [MethodImpl(Hot.Loop)]
    static void Add(double* source, int count, double* sums)
    {
        int i = 0;
        if (Vector128.IsHardwareAccelerated && count >= Count)
        {
            var (a, b, c, d, e, f, g, h) = Load(sums);
            for (; i <= count - Count; i += Count)
            {
                Prefetch.Ahead(source + i, Count * sizeof(double));
                a += Square(source + i);
                b += Square(source + i + 4);
                c += Square(source + i + 8);
                d += Square(source + i + 12);
                e += Square(source + i + 16);
                f += Square(source + i + 20);
                g += Square(source + i + 24);
                h += Square(source + i + 28);
            }

            Store(sums, a, b, c, d, e, f, g, h);
        }

        for (; i < count; i++)
            sums[i % Count] += source[i] * source[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector256<double> Square(double* source)
    {
        Vector256<double> values = Vector256.Load(source);
        return values * values;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void AddSquares(float* source, ref Vector256<double> lower, ref Vector256<double> upper)
    {
        Vector256<float> values = Vector256.Load(source);
        Vector256<float> squares = values * values;
        lower += Vector256.WidenLower(squares);
        upper += Vector256.WidenUpper(squares);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static (Vector256<double>, Vector256<double>, Vector256<double>, Vector256<double>,
        Vector256<double>, Vector256<double>, Vector256<double>, Vector256<double>) Load(double* sums) => (
            Vector256.Load(sums), Vector256.Load(sums + 4), Vector256.Load(sums + 8), Vector256.Load(sums + 12),
            Vector256.Load(sums + 16), Vector256.Load(sums + 20), Vector256.Load(sums + 24), Vector256.Load(sums + 28));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Store(
        double* sums, Vector256<double> a, Vector256<double> b, Vector256<double> c, Vector256<double> d,
        Vector256<double> e, Vector256<double> f, Vector256<double> g, Vector256<double> h)
    {
        a.Store(sums);
        b.Store(sums + 4);
        c.Store(sums + 8);
        d.Store(sums + 12);
        e.Store(sums + 16);
        f.Store(sums + 20);
        g.Store(sums + 24);
        h.Store(sums + 28);
    }
}
