using System.Text;
using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Keras.Json;

namespace Infinorm.Keras.Tests.Json;

public class JsonTextTests
{
    [Fact]
    public void AnObjectIsRead() =>
        Assert.Equal("{\"a\": 1.0}", Encoding.ASCII.GetString(JsonText.Write(JsonText.Parse("x.keras", "config.json", "{\"a\":1.0}"u8.ToArray()))));

    [Theory]
    [InlineData("[]", "config.json is not an object")]
    [InlineData("null", "config.json: The JSON text is null.")]
    [InlineData("{\"a\": 1, \"a\": 2}", "config.json is not valid JSON: *")]
    [InlineData("{\"a\": nan}", "config.json is not valid JSON: *")]
    [InlineData("", "config.json is not valid JSON: *")]
    [InlineData("{} {}", "config.json is not valid JSON: *")]
    public void AnythingElseIsRefused(string text, string problem)
    {
        string message = Assert.Throws<InvalidFileException>(() => JsonText.Parse("x.keras", "config.json", Encoding.UTF8.GetBytes(text))).Message;
        if (problem.EndsWith('*'))
            Assert.StartsWith($"x.keras: {problem[..^1]}", message);
        else
            Assert.Equal($"x.keras: {problem}", message);
    }

    [Fact]
    public void DeepNestingIsRefused() => Assert.Throws<InvalidFileException>(() => JsonText.Parse(
        "x.keras", "config.json", Encoding.ASCII.GetBytes($"{{\"a\": {new string('[', 100_000)}{new string(']', 100_000)}}}")));

    [Theory]
    [InlineData("{},", 8 << 20, 16_000)] // what a small zip entry can unpack to
    [InlineData("0,", 8 << 20, 16_000)]
    [InlineData("{\"config\":{}},", 8 << 20, 16_000)]
    [InlineData("NaN,", 8 << 20, 16_000)]
    [InlineData("{\"a\":[0]},", 8 << 20, 8 << 20)]
    public void ABombIsRefused(string item, int length, int fileLength)
    {
        byte[] text = Encoding.ASCII.GetBytes("{\"a\": [" + string.Concat(Enumerable.Repeat(item, length / item.Length)) + "0]}");
        long before = GC.GetAllocatedBytesForCurrentThread();
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => JsonText.Parse("x.keras", "config.json", text, fileLength));
        Assert.Contains("values in", e.Message);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, (32 << 20) + fileLength);
    }

    [Fact]
    public void AVocabularyOf200000WordsTakesLittleMoreThanItsText()
    {
        string words = string.Join(", ", Enumerable.Range(0, 200_000).Select(i => $"\"w{i}\""));
        byte[] text = Encoding.ASCII.GetBytes($"{{\"config\": {{\"vocabulary\": [{words}], \"mask\": [-Infinity, NaN]}}}}");
        long before = GC.GetAllocatedBytesForCurrentThread();
        JsonObject json = JsonText.Parse("x.keras", "config.json", text, text.Length);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8 * text.Length);
        Assert.Equal(200_000, json["config"]!["vocabulary"]!.AsArray().Count);
        Assert.Equal(text, JsonText.Write(json));
    }
}
