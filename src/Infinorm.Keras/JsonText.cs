using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Infinorm.Keras;

/// <summary>Reads JSON entries of an archive.</summary>
static class JsonText
{
    // Objects in memory are many times as large as the text of the smallest: "{},". Keras writes about twenty bytes for each value.
    const int FreeValues = 1 << 15, BytesPerFurtherValue = 10;

    /// <summary>The object that the text of an entry is.</summary>
    /// <exception cref="InvalidFileException">It is none, or holds more values than text of its size should.</exception>
    public static JsonObject Parse(string file, string entry, byte[] text)
    {
        try
        {
            int values = 0, limit = FreeValues + (text.Length / BytesPerFurtherValue);
            for (var reader = new Utf8JsonReader(text); reader.Read();)
            {
                if (reader.TokenType is not (JsonTokenType.EndObject or JsonTokenType.EndArray or JsonTokenType.PropertyName) && ++values > limit)
                    throw new InvalidFileException(file, $"{entry} holds more than {limit} values in {text.Length} bytes");
            }

            return PythonJson.Parse(Encoding.UTF8.GetString(text)) as JsonObject
                ?? throw new InvalidFileException(file, $"{entry} is not an object");
        }
        catch (JsonException e)
        {
            throw new InvalidFileException(file, $"{entry} is not valid JSON: {e.Message}", e);
        }
        catch (FormatException e) when (e is not InvalidFileException)
        {
            throw new InvalidFileException(file, $"{entry}: {e.Message}", e);
        }
    }

    /// <summary>The text that a node is; null if it is none.</summary>
    public static string? Text(JsonNode? node) => node?.GetValueKind() is JsonValueKind.String ? node.GetValue<string>() : null;

    /// <summary>As Python writes it.</summary>
    public static byte[] Write(JsonObject json) => Encoding.ASCII.GetBytes(PythonJson.Write(json));
}
