using System.Globalization;
using System.Text.RegularExpressions;

namespace Infinorm.Torch.Training;

/// <summary>
/// A file's path whose name has values of the training in it, such as <c>runs/{epoch:D2}-{val_loss:F3}.safetensors</c>. Formats are
/// .NET's for numbers; Python's <c>02d</c> and <c>.2f</c> are understood, too. Braces that are meant are doubled.
/// </summary>
sealed partial class FileNamePattern
{
    readonly string _folder, _name;
    readonly (string Name, string Format)[] _values;

    /// <exception cref="ArgumentException">
    /// The path is empty, has values in its folder, a lone brace, or a format that is not one for numbers.
    /// </exception>
    public FileNamePattern(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        (_folder, _name) = (Path.GetDirectoryName(path) ?? "", Path.GetFileName(path));
        if (_name.Length == 0 || _folder.AsSpan().ContainsAny('{', '}'))
        {
            throw new ArgumentException(
                $"{path}: give the path of a file; values in braces are for its name, not for its folder.", nameof(path));
        }

        _values = [.. Placeholder().Matches(_name).Where(match => match.Groups[1].Success)
            .Select(match => (match.Groups[1].Value, FormatOf(path, match.Groups[2].Value)))];
        if (Placeholder().Replace(_name, "").AsSpan().ContainsAny('{', '}'))
        {
            throw new ArgumentException(
                $"{path}: a value is written as {{epoch}} or {{val_loss:F3}}, a brace that is meant twice.", nameof(path));
        }
    }

    /// <summary>The names of the values.</summary>
    public IEnumerable<string> Names => _values.Select(value => value.Name);

    /// <summary>Whether there are values in it, so that there are several files.</summary>
    public bool HasValues => _values.Length > 0;

    /// <summary>The path with these values; what is missing is NaN.</summary>
    public string PathWith(IReadOnlyDictionary<string, double> values)
    {
        int next = 0;
        return Path.Combine(_folder, Replaced(match =>
        {
            (string name, string format) = _values[next++];
            return Text(values.GetValueOrDefault(name, double.NaN), format);
        }));
    }

    /// <summary>The path of a file beside those that are written.</summary>
    public string Beside(string name) => Path.Combine(_folder, name);

    /// <summary>Whether the name of a file, without its folder, could be one of the pattern's.</summary>
    public bool Fits(string name)
    {
        string literal = "";
        int at = 0;
        foreach (Match match in Placeholder().Matches(_name))
        {
            literal += Regex.Escape(_name[at..match.Index]) + (match.Groups[1].Success ? @"[^/\\]+" : Regex.Escape(match.Value[..1]));
            at = match.Index + match.Length;
        }

        return Regex.IsMatch(name, $@"\A{literal}{Regex.Escape(_name[at..])}\z", RegexOptions.CultureInvariant);
    }

    /// <summary>The file of the pattern that was last written; null where there is none.</summary>
    public string? Latest()
    {
        var folder = new DirectoryInfo(_folder.Length == 0 ? "." : _folder);
        return !folder.Exists
            ? null
            : folder.EnumerateFiles().Where(file => Fits(file.Name)).MaxBy(file => (file.LastWriteTimeUtc, file.Name)) is { } latest
                ? Path.Combine(_folder, latest.Name)
                : null;
    }

    string Replaced(Func<Match, string> value) =>
        Placeholder().Replace(_name, match => match.Groups[1].Success ? value(match) : match.Value[..1]);

    // Counts are whole, for which .NET has formats of their own.
    static string Text(double value, string format) => double.IsInteger(value) && Math.Abs(value) < long.MaxValue && !IsForFractions(format)
        ? ((long)value).ToString(format, CultureInfo.InvariantCulture)
        : value.ToString(IsForCounts(format) ? "" : format, CultureInfo.InvariantCulture);

    static bool IsForCounts(string format) => format.Length > 0 && format[0] is 'D' or 'd' or 'X' or 'x';

    static bool IsForFractions(string format) => format.Length > 0 && !IsForCounts(format);

    static string FormatOf(string path, string format)
    {
        Match python = PythonFormat().Match(format);
        if (python.Success)
        {
            return python.Groups[1].Success
                ? $"D{python.Groups[1].Value}"
                : $"{python.Groups[3].Value.ToUpperInvariant()}{python.Groups[2].Value}";
        }

        return NumberFormat().IsMatch(format)
            ? format
            : throw new ArgumentException(
                $"{path}: '{format}' is not a format for numbers. Write D2, F3, E2, G4 or 0.000, for instance.", nameof(path));
    }

    [GeneratedRegex(@"\{\{|\}\}|\{([A-Za-z_][^{}:]*)(?::([^{}]*))?\}")]
    private static partial Regex Placeholder();

    [GeneratedRegex(@"\A(?:0?(\d+)d|\.(\d+)([feg]))\z")]
    private static partial Regex PythonFormat();

    [GeneratedRegex(@"\A(?:[DdFfEeGgNnPpRr]\d{0,2}|[0#]+(?:\.[0#]+)?|)\z")]
    private static partial Regex NumberFormat();
}
