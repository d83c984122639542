using Infinorm.Tool.Files;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tool;

/// <summary>What one wants to know of a tensor at a glance. Norm, minimum and maximum are those of its finite elements.</summary>
/// <param name="Norm">The square root of the sum of squares, computed in double; null if no element is finite.</param>
/// <param name="Min">The smallest element; null if none is finite.</param>
/// <param name="Max">The largest element; null if none is finite.</param>
/// <param name="NonFinite">How many elements are NaN or infinite.</param>
readonly record struct TensorStatistics(double? Norm, double? Min, double? Max, long NonFinite)
{
    public static TensorStatistics Of(IEnumerable<NdArray> pieces)
    {
        double squares = 0, min = double.PositiveInfinity, max = double.NegativeInfinity;
        long nonFinite = 0;
        foreach (NdArray piece in pieces)
        {
            foreach (double value in piece.Cast(DType.Float64).AsSpan<double>())
            {
                if (!double.IsFinite(value))
                {
                    nonFinite++;
                    continue;
                }

                squares += value * value;
                min = Math.Min(min, value);
                max = Math.Max(max, value);
            }
        }

        return min <= max ? new(Math.Sqrt(squares), min, max, nonFinite) : new(null, null, null, nonFinite);
    }

    public static TensorStatistics Of(StateFile file, TensorInfo tensor) => Of(file.Pieces(tensor));
}
