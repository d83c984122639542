using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Infinorm;

/// <summary>JSON text as Python's <c>json</c> module writes it, byte for byte, and a strict reader of it.</summary>
static class PythonJson
{
    const int MaxDepth = 64;

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
    /// Reads one JSON value. Refuses duplicate keys, comments, trailing commas or text, nesting deeper than 64 and lone surrogates.
    /// </summary>
    /// <exception cref="FormatException">The text is not such JSON, or is <c>null</c>.</exception>
    public static JsonNode Parse(string text)
    {
        try
        {
            var node = JsonNode.Parse(text, nodeOptions: null,
                new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = MaxDepth });
            // A node decodes its strings when asked for them. Writing asks for all, so that a broken escape is found here.
            Write(node);
            return node ?? throw new FormatException("The JSON text is null.");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new FormatException($"Not valid JSON: {e.Message}", e);
        }
    }

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
