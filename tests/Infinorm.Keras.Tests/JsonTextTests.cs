using System.Text;

namespace Infinorm.Keras.Tests;

public class JsonTextTests
{
    [Fact]
    public void AnObjectIsRead() =>
        Assert.Equal("{\"a\": 1.0}", Encoding.ASCII.GetString(JsonText.Write(JsonText.Parse("x.keras", "config.json", "{\"a\":1.0}"u8.ToArray()))));

    [Theory]
    [InlineData("[]", "config.json is not an object")]
    [InlineData("null", "config.json: The JSON text is null.")]
    [InlineData("{\"a\": 1, \"a\": 2}", "config.json: Not valid JSON: *")]
    [InlineData("{\"a\": NaN}", "config.json is not valid JSON: *")]
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

    [Fact]
    public void AMegabyteOfTheSmallestValuesTakesLessThanTheLimit()
    {
        byte[] text = Encoding.ASCII.GetBytes("{\"a\": [" + string.Join(',', Enumerable.Repeat("{}", 340_000)) + "]}");
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<InvalidFileException>(() => JsonText.Parse("x.keras", "config.json", text));
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);

        string most = "{\"a\": [" + string.Join(',', Enumerable.Repeat("{\"a\":1}", 68_000)) + "]}";
        text = Encoding.ASCII.GetBytes(most.PadRight(1 << 20));
        before = GC.GetAllocatedBytesForCurrentThread();
        JsonText.Parse("x.keras", "config.json", text);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, (64L << 20) + (4 * text.Length));
    }
}
