using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Config;

namespace Infinorm.Keras.Json;

/// <summary>Reads JSON entries of an archive.</summary>
static class JsonText
{
    // A value takes 12 bytes beside its text, one that somebody looks at 200 and more. Keras writes about twenty bytes for each value.
    const int FreeValues = 1 << 19, FreeParts = 1 << 18, BytesPerValue = 20, BytesPerPart = 100;

    /// <summary>The object that the text of an entry is.</summary>
    /// <param name="file">The file's name, for messages.</param>
    /// <param name="entry">What the text is, for messages.</param>
    /// <param name="text">The text, UTF-8.</param>
    /// <param name="fileLength">The bytes that the text takes in the file, which may be fewer than it has; null for just those.</param>
    /// <exception cref="InvalidFileException">It is none, or holds more values than a file of its size should.</exception>
    public static JsonObject Parse(string file, string entry, byte[] text, long? fileLength = null)
    {
        long length = fileLength ?? text.Length;
        try
        {
            var limits = new PythonJson.Limits((int)(FreeValues + (length / BytesPerValue)), (int)(FreeParts + (length / BytesPerPart)));
            return PythonJson.Parse(text, limits) as JsonObject ?? throw new InvalidFileException(file, $"{entry} is not an object");
        }
        catch (FormatException e)
        {
            throw new InvalidFileException(
                file, e.InnerException is JsonException json ? $"{entry} is not valid JSON: {json.Message}" : $"{entry}: {e.Message}", e);
        }
    }

    /// <summary>The text that a node is; null if it is none.</summary>
    public static string? Text(JsonNode? node) => node?.GetValueKind() is JsonValueKind.String ? node.GetValue<string>() : null;

    /// <summary>As Python writes it.</summary>
    public static byte[] Write(JsonObject json) => Encoding.ASCII.GetBytes(PythonJson.Write(json));
}
