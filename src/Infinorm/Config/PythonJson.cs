using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;

namespace Infinorm.Config;

/// <summary>JSON text as Python's <c>json</c> module writes it, byte for byte, and a strict reader of it.</summary>
static class PythonJson
{
    const int MaxDepth = 64;

    static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>
    /// The text of Python's <c>json.dumps(node)</c>: ", " and ": " between things, ASCII only, floats as Python's <c>repr</c>.
    /// A value made from a <see cref="double"/> or <see cref="float"/> is a Python float (1.0), one made from an integer a Python int (1).
    /// </summary>
    public static string Write(JsonNode? node)
    {
        var text = new StringBuilder();
        Append(text, node);
        return text.ToString();
    }

    /// <summary>
    /// Reads one JSON value, with <c>NaN</c> and the infinities that Python writes. Refuses duplicate keys, comments, trailing commas or
    /// text, nesting deeper than 64 and lone surrogates.
    /// </summary>
    /// <exception cref="FormatException">The text is not such JSON, or is <c>null</c>.</exception>
    public static JsonNode Parse(string text)
    {
        try
        {
            return Parse(Strict.GetBytes(text), new Limits(int.MaxValue, int.MaxValue));
        }
        catch (EncoderFallbackException e)
        {
            throw new FormatException($"Not valid JSON: {e.Message}", e);
        }
    }

    /// <summary>As <see cref="Parse(string)"/>. Nodes are made only where somebody looks, so that a large config takes little memory.</summary>
    /// <param name="utf8">The text.</param>
    /// <param name="limits">How much it may hold.</param>
    /// <exception cref="FormatException">The text is not such JSON, is <c>null</c> or holds more.</exception>
    public static JsonNode Parse(ReadOnlySpan<byte> utf8, Limits limits)
    {
        byte[]? copy = FiniteText(utf8);
        ReadOnlySpan<byte> text = copy ?? utf8;
        try
        {
            List<object[]> nans = Check(text, utf8, limits);
            JsonNode node = JsonNode.Parse(text, nodeOptions: null,
                new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = MaxDepth })
                ?? throw new FormatException("The JSON text is null.");
            foreach (object[] path in nans)
                node = WithNaN(node, path);
            return node;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new FormatException($"Not valid JSON: {e.Message}", e);
        }
    }

    // A copy in which each number that JSON has no word for is one of as many bytes; null where there is none. What is too large for a
    // double is read as infinite, here and in Python.
    static byte[]? FiniteText(ReadOnlySpan<byte> text)
    {
        byte[]? copy = null;
        bool isString = false;
        for (int i = 0; i < text.Length; i++)
        {
            int step = isString ? text[i..].IndexOfAny((byte)'"', (byte)'\\') : text[i..].IndexOfAny((byte)'"', (byte)'N', (byte)'I');
            if (step < 0)
                break;
            i += step;
            if (text[i] == '\\')
                i++; // and what it escapes
            else if (text[i] == '"')
                isString = !isString;
            else if (IsWordAt(text, i, "NaN"u8))
                "0e0"u8.CopyTo((copy ??= text.ToArray()).AsSpan(i));
            else if (IsWordAt(text, i, "Infinity"u8) || (i > 0 && IsWordAt(text, i - 1, "-Infinity"u8)))
                "1e9999  "u8.CopyTo((copy ??= text.ToArray()).AsSpan(i));
        }

        return copy;
    }

    static bool IsWordAt(ReadOnlySpan<byte> text, int at, ReadOnlySpan<byte> word) =>
        text[at..].StartsWith(word)
        && (at == 0 || " \t\r\n[:,"u8.Contains(text[at - 1]))
        && (at + word.Length == text.Length || " \t\r\n]},"u8.Contains(text[at + word.Length]));

    // Reads the text through once: counts, decodes each string (a node would only when asked for it), and finds where a NaN was.
    static List<object[]> Check(ReadOnlySpan<byte> text, ReadOnlySpan<byte> original, Limits limits)
    {
        var nans = new List<object[]>();
        var path = new Stack<(string? Name, int Index)>();
        int values = 0, parts = 0;
        string? name = null;
        char[] decoded = [];
        bool hasNaN = original.IndexOf("NaN"u8) >= 0;
        for (var reader = new Utf8JsonReader(text, new JsonReaderOptions { MaxDepth = MaxDepth }); reader.Read();)
        {
            JsonTokenType type = reader.TokenType;
            if (type is JsonTokenType.EndObject or JsonTokenType.EndArray)
            {
                path.Pop();
                continue;
            }

            if (type is JsonTokenType.String or JsonTokenType.PropertyName)
            {
                if (!reader.ValueIsEscaped && !Utf8.IsValid(reader.ValueSpan))
                    throw new FormatException("Not valid JSON: a text is not UTF-8.");
                if (reader.ValueIsEscaped)
                    RequireDecodable(reader, ref decoded);
            }

            parts += type is JsonTokenType.PropertyName or JsonTokenType.StartObject or JsonTokenType.StartArray ? 1 : 0;
            if (type is JsonTokenType.PropertyName)
            {
                name = hasNaN ? reader.GetString() : null;
                continue;
            }

            values++;
            if (path.TryPop(out var container))
                path.Push((name ?? container.Name, container.Index + 1));
            if (type is JsonTokenType.StartObject or JsonTokenType.StartArray)
                path.Push((null, -1));
            else if (type is JsonTokenType.Number && original[(int)reader.TokenStartIndex] == 'N')
            {
                parts += 4 * path.Count; // its path is kept
                nans.Add([.. path.Reverse().Select(step => (object?)step.Name ?? step.Index)]);
            }

            name = null;
            if (values > limits.Values || parts > limits.Parts)
                throw new FormatException($"It holds more than {(values > limits.Values ? limits.Values : limits.Parts)} values in {text.Length} bytes.");
        }

        return nans;
    }

    static void RequireDecodable(in Utf8JsonReader reader, ref char[] buffer)
    {
        if (buffer.Length < reader.ValueSpan.Length)
            buffer = new char[reader.ValueSpan.Length];
        reader.CopyString(buffer);
    }

    static JsonNode WithNaN(JsonNode root, object[] path)
    {
        JsonNode nan = JsonValue.Create(double.NaN);
        if (path.Length == 0)
            return nan;
        JsonNode node = root;
        foreach (object step in path[..^1])
            node = step is string key ? node[key]! : node[(int)step]!;
        if (path[^1] is string last)
            node[last] = nan;
        else
            node[(int)path[^1]] = nan;
        return root;
    }

    /// <summary>How much a JSON text may hold.</summary>
    /// <param name="Values">Values of all kinds.</param>
    /// <param name="Parts">Those that take most memory once somebody looks at them: objects, arrays and what has a name.</param>
    public readonly record struct Limits(int Values, int Parts);

    static void Append(StringBuilder text, JsonNode? node)
    {
        switch (node)
        {
            case null:
                text.Append("null");
                break;
            case JsonObject properties:
                AppendAll(text, '{', properties, '}', static (text, property) =>
                {
                    AppendString(text, property.Key);
                    text.Append(": ");
                    Append(text, property.Value);
                });
                break;
            case JsonArray items:
                AppendAll(text, '[', items, ']', Append);
                break;
            case JsonValue value when value.GetValueKind() is JsonValueKind.String:
                AppendString(text, value.GetValue<string>());
                break;
            case JsonValue value when value.GetValueKind() is JsonValueKind.Number:
                text.Append(Number(value));
                break;
            default:
                text.Append(node.ToJsonString()); // true, false, or a null that came from a JsonElement
                break;
        }
    }

    static void AppendAll<T>(StringBuilder text, char open, IEnumerable<T> items, char close, Action<StringBuilder, T> append)
    {
        text.Append(open);
        string separator = "";
        foreach (var item in items)
        {
            text.Append(separator);
            append(text, item);
            separator = ", ";
        }
        text.Append(close);
    }

    static void AppendString(StringBuilder text, string value)
    {
        text.Append('"');
        foreach (char c in value)
        {
            text.Append(c switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\f' => "\\f",
                '\b' => "\\b",
                _ => null,
            } ?? (c is >= ' ' and <= '~' ? c.ToString() : $"\\u{(int)c:x4}"));
        }
        text.Append('"');
    }

    static string Number(JsonValue value)
    {
        if (value.TryGetValue<JsonElement>(out var element))
        {
            string raw = element.GetRawText();
            return raw.AsSpan().ContainsAny('.', 'e', 'E') ? Repr(element.GetDouble()) : raw == "-0" ? "0" : raw;
        }
        if (value.TryGetValue(out double wide))
            return Repr(wide);
        if (value.TryGetValue(out float narrow))
            return Repr(narrow);
        return value.ToJsonString();
    }

    /// <summary>Python's <c>repr</c> of a float, with the names that <c>json.dumps</c> gives to what is not finite.</summary>
    internal static string Repr(double value)
    {
        if (double.IsNaN(value))
            return "NaN";
        if (double.IsInfinity(value))
            return value > 0 ? "Infinity" : "-Infinity";

        // Both write the fewest digits that read back as the same number; they differ in when an exponent is used and how it looks.
        string text = value.ToString("R", CultureInfo.InvariantCulture);
        if (double.Parse(text, CultureInfo.InvariantCulture) != value)
            text = value.ToString("G17", CultureInfo.InvariantCulture); // .NET 10 writes one digit too few for 2^-25 and 2^-958
        if (text.Contains('E'))
            return text.Replace('E', 'e');
        if (Math.Abs(value) >= 1e16)
            return WithExponent(text);
        return text.Contains('.') ? text : text + ".0";
    }

    /// <summary>"12300000000000000" (always 17 digits) as "1.23e+16".</summary>
    static string WithExponent(string integer)
    {
        int first = integer.StartsWith('-') ? 2 : 1;
        string fraction = integer[first..].TrimEnd('0');
        return $"{integer[..first]}{(fraction.Length > 0 ? "." : "")}{fraction}e+{integer.Length - first}";
    }
}
