using System.Globalization;

namespace Infinorm.Types;

/// <summary>Numbers as a person would write them.</summary>
static class NumberText
{
    /// <summary>The shortest text that gives the number again, as a float if it is one: 0.002, not 0.0020000000949949026.</summary>
    public static string Of(double value)
    {
        float single = (float)value;
        return single == value ? single.ToString(CultureInfo.InvariantCulture) : value.ToString(CultureInfo.InvariantCulture);
    }
}
