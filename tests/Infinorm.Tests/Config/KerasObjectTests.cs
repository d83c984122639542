using System.Text.Json.Nodes;
using Infinorm.Config;

namespace Infinorm.Tests.Config;

public class KerasObjectTests
{
    [Fact]
    public void WrapsInKerasOrder() => Assert.Equal(
        """{"module": "keras.optimizers", "class_name": "Adamax", "config": {"name": "adamax"}, "registered_name": null}""",
        PythonJson.Write(KerasObject.Wrap("keras.optimizers", "Adamax", new JsonObject { ["name"] = "adamax" }, null)));

    [Fact]
    public void ReadsItsKeysInAnyOrder()
    {
        var read = Read("""{"registered_name": "r", "config": {"a": 1}, "class_name": "C", "module": "m", "shared_object_id": 1}""");
        Assert.Equal(("m", "C", "r"), (read.Module, read.ClassName, read.RegisteredName));
        Assert.Equal("""{"a": 1}""", PythonJson.Write(read.Config));
    }

    [Fact]
    public void NeedsOnlyTheClassName()
    {
        var read = Read("""{"class_name": "C"}""");
        Assert.Null(read.Module);
        Assert.Null(read.RegisteredName);
        Assert.Equal("{}", PythonJson.Write(read.Config));
    }

    [Fact]
    public void ReadsTheNameOfAFunction() =>
        Assert.Equal("rate", Read("""{"class_name": "function", "config": "rate"}""").Config.GetValue<string>());

    [Fact]
    public void CreatesFromAConfigThatIsReadWhole()
    {
        var read = Read("""{"class_name": "C", "config": {"a": 1.5}}""");
        Assert.Equal(1.5, read.Create(config => config.Number("a")));
        var error = Assert.Throws<FormatException>(() => read.Create(config => config.Number("b", 0)));
        Assert.Equal("C: unknown config key 'a'; known are b", error.Message);
    }

    [Theory]
    [InlineData("{}", "optimizer: config key 'class_name' is missing")]
    [InlineData("""{"class_name": 1}""", "optimizer: config key 'class_name' should be a string, found 1")]
    [InlineData("""{"class_name": "C", "module": 1}""", "optimizer: config key 'module' should be a string, found 1")]
    [InlineData("""{"class_name": "C", "config": "x"}""", "optimizer: config key 'config' should be an object, found \"x\"")]
    [InlineData("""{"class_name": "function", "config": {}}""", "optimizer: config key 'config' should be a string, found {}")]
    [InlineData(
        """{"class_name": "C", "name": "x"}""",
        "optimizer: unknown config key 'name'; known are class_name, config, module, registered_name, shared_object_id")]
    public void RefusesWhatIsNoKerasObject(string json, string message) =>
        Assert.Equal(message, Assert.Throws<FormatException>(() => Read(json)).Message);

    static KerasObject Read(string json) => KerasObject.Read("optimizer", PythonJson.Parse(json).AsObject());
}
