using System.Globalization;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tool.Terminal;

/// <summary>Numbers as text.</summary>
static class NumberFormat
{
    /// <summary>A number for a table: six digits.</summary>
    public static string Rounded(double? value) => value?.ToString("G6", CultureInfo.InvariantCulture) ?? "-";

    /// <summary>A single number with all its digits.</summary>
    public static string Exact(NdArray scalar) => scalar.DType switch
    {
        DType.Float32 => scalar.AsSpan<float>()[0].ToString("R", CultureInfo.InvariantCulture),
        DType.Int64 => scalar.AsSpan<long>()[0].ToString(CultureInfo.InvariantCulture),
        _ => scalar.Cast(DType.Float64).AsSpan<double>()[0].ToString("R", CultureInfo.InvariantCulture),
    };
}
