using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Infinorm.Benchmarks;

/// <summary>Prints what was measured: where, a table for people, and a line a case for machines.</summary>
static class Report
{
    public static void Print(IReadOnlyDictionary<string, Measurement> results)
    {
        Console.WriteLine();
        Console.WriteLine($"{Processor()}, {Environment.ProcessorCount} threads, {VectorBits()}-bit vectors");
        Console.WriteLine($"{RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}");
        Console.WriteLine();
        PrintTable(["case", "value", "quartiles", "Infinorm", "against", "bytes/element", "GB/s", "state", "goal", ""], [.. results.Select(Row)]);
        Console.WriteLine();
        foreach ((string name, Measurement measurement) in results)
            Console.WriteLine($"ratio {name} {Number(measurement.Value)}");

        string[] Row(KeyValuePair<string, Measurement> result)
        {
            (string name, Measurement measurement) = result;
            Goal? goal = Goal.ByCase.GetValueOrDefault(name);
            return
            [
                name, Number(measurement.Value),
                measurement.Spread is var (low, high) ? $"{Number(low)} – {Number(high)}" : "",
                Time(measurement.Seconds), Time(measurement.Against),
                measurement.Traffic is { } moved ? $"{moved.BytesAnElement}" : "",
                measurement is { Traffic: { } traffic, Seconds: { } seconds } ? Number(traffic.Bytes / seconds / 1e9) : "",
                measurement.Traffic is { } kept ? kept.StateBytes.ToString("0.##", CultureInfo.InvariantCulture) : "",
                goal?.ToString() ?? "",
                string.Join("; ", ((string?[])[goal?.Met(measurement.Value, results) switch { true => "met", false => "missed", null => null }, measurement.Remark]).OfType<string>()),
            ];
        }
    }

    /// <summary>Three decimals or four digits, whichever is less.</summary>
    public static string Number(double value) =>
        value.ToString(Math.Abs(value) switch { >= 100 => "0", >= 10 => "0.0", _ => "0.000" }, CultureInfo.InvariantCulture);

    static string Time(double? seconds) => seconds switch
    {
        null => "",
        >= 1e-3 => Number(seconds.Value * 1e3) + " ms",
        >= 1e-6 => Number(seconds.Value * 1e6) + " µs",
        _ => Number(seconds.Value * 1e9) + " ns",
    };

    static void PrintTable(string[] header, string[][] rows)
    {
        int[] widths = [.. header.Select((title, column) => rows.Select(row => row[column].Length).Append(title.Length).Max())];
        PrintRow(header);
        PrintRow([.. widths.Select(width => new string('-', width))]);
        foreach (string[] row in rows)
            PrintRow(row);

        void PrintRow(string[] cells) =>
            Console.WriteLine($"| {string.Join(" | ", cells.Select((cell, column) => cell.PadRight(widths[column])))} |");
    }

    static string Processor()
    {
        const string Linux = "/proc/cpuinfo";
        string? model = File.Exists(Linux) ? File.ReadLines(Linux).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) : null;
        return model?[(model.IndexOf(':', StringComparison.Ordinal) + 2)..]
            ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER")
            ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    static int VectorBits() =>
        Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 0;
}
