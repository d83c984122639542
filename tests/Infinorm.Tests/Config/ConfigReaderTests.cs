using System.Text.Json.Nodes;
using Infinorm.Config;
using Infinorm.Schedules;

namespace Infinorm.Tests.Config;

public class ConfigReaderTests
{
    [Fact]
    public void ReadsEveryKind()
    {
        var config = Read("""
            {"number": 0.5, "integer": 3, "truth": true, "text": "x", "list": [1, 2.5], "object": {"a": 1}, "learning_rate": 2}
            """);
        Assert.Equal(0.5, config.Number("number"));
        Assert.Equal(0.5, config.Number("number", 7));
        Assert.Equal(0.5, config.OptionalNumber("number"));
        Assert.Equal(3, config.Number("integer"));
        Assert.Equal(3, config.OptionalInteger("integer"));
        Assert.True(config.Boolean("truth", false));
        Assert.Equal("x", config.Text("text", "y"));
        Assert.Equal([1, 2.5], config.Numbers("list"));
        Assert.Equal(1, (int)config.Object("object")!["a"]!);
        Assert.Equal(2, LearningRate.Read(config, 0.5).Value);
        config.RequireAllRead();
    }

    [Fact]
    public void ReadsNumbersThatDidNotComeFromText()
    {
        var config = new ConfigReader("Adamax", new JsonObject { ["f"] = 0.5f, ["i"] = 1, ["l"] = 2L, ["d"] = 3.0 });
        Assert.Equal([0.5, 1, 2, 3], [config.Number("f"), config.Number("i"), config.Number("l"), config.Number("d")]);
        Assert.Equal(1, config.OptionalInteger("i"));
        Assert.Throws<FormatException>(() => config.OptionalInteger("d"));
    }

    [Fact]
    public void GivesDefaultsForWhatIsMissing()
    {
        var config = Read("{}");
        LearningRate rate = 0.25;
        Assert.Equal(7, config.Number("a", 7));
        Assert.Null(config.OptionalNumber("a"));
        Assert.Null(config.OptionalInteger("a"));
        Assert.True(config.Boolean("a", true));
        Assert.Equal("y", config.Text("a", "y"));
        Assert.Null(config.Object("a"));
        Assert.Same(rate, LearningRate.Read(config, rate));
        config.MustBeNull("a");
    }

    [Fact]
    public void TakesNullWhereThereMayBeNothing()
    {
        var config = Read("""{"a": null}""");
        Assert.Null(config.OptionalNumber("a"));
        Assert.Null(config.OptionalInteger("a"));
        Assert.Equal("y", config.Text("a", "y"));
        Assert.Null(config.Object("a"));
        config.MustBeNull("a");
    }

    [Theory]
    [InlineData("\"x\"", "a number")]
    [InlineData("null", "a number")]
    [InlineData("true", "a number")]
    [InlineData("[1.0]", "a number")]
    [InlineData("1e999", "a finite number", "Infinity")]
    public void RefusesWhatIsNoNumber(string json, string expected, string? found = null)
    {
        AssertRefused(json, config => config.Number("beta_1", 0.9), expected, found);
        AssertRefused(json, config => config.Number("beta_1"), expected, found);
        if (json != "null")
            AssertRefused(json, config => config.OptionalNumber("beta_1"), expected, found);
    }

    [Theory]
    [InlineData("2.0")]
    [InlineData("2.5")]
    [InlineData("true")]
    [InlineData("\"2\"")]
    [InlineData("2147483648")]
    public void RefusesWhatIsNoInteger(string json) => AssertRefused(json, config => config.OptionalInteger("beta_1"), "an integer");

    [Theory]
    [InlineData("2")]
    [InlineData("1.0")]
    [InlineData("null")]
    [InlineData("\"true\"")]
    public void RefusesWhatIsNeitherTrueNorFalse(string json) =>
        AssertRefused(json, config => config.Boolean("beta_1", true), "true or false");

    [Fact]
    public void RefusesOtherWrongKinds()
    {
        AssertRefused("1", config => config.Text("beta_1", null), "a string");
        AssertRefused("1", config => config.Numbers("beta_1"), "a list of numbers");
        AssertRefused("1", config => config.Object("beta_1"), "an object");
        AssertRefused("0.0", config => config.MustBeNull("beta_1"), "null, as it is no longer supported");
    }

    [Fact]
    public void NamesTheElementOfAListThatIsWrong()
    {
        var error = Assert.Throws<FormatException>(() => Read("""{"values": [1, "x"]}""").Numbers("values"));
        Assert.Equal("Adamax: config key 'values[1]' should be a number, found \"x\"", error.Message);
    }

    [Theory]
    [InlineData("\"0.1\"")]
    [InlineData("null")]
    [InlineData("true")]
    public void RefusesWhatIsNoLearningRate(string json)
    {
        var error = Assert.Throws<FormatException>(() => LearningRate.Read(Read($$"""{"learning_rate": {{json}}}"""), 0.5));
        Assert.Equal($"Adamax: config key 'learning_rate' should be a number, a schedule or a function, found {json}", error.Message);
    }

    [Fact]
    public void RefusesAMissingKeyThatHasNoDefault()
    {
        var error = Assert.Throws<FormatException>(() => Read("{}").Number("decay_rate"));
        Assert.Equal("Adamax: config key 'decay_rate' is missing", error.Message);
        Assert.Throws<FormatException>(() => Read("{}").Numbers("values"));
    }

    [Fact]
    public void RefusesAKeyThatNobodyRead()
    {
        var config = Read("""{"b": 1, "jit_compile": false}""");
        config.Number("b");
        config.Number("a", 0);
        var error = Assert.Throws<FormatException>(config.RequireAllRead);
        Assert.Equal("Adamax: unknown config key 'jit_compile'; known are a, b", error.Message);
    }

    static ConfigReader Read(string json) => new("Adamax", PythonJson.Parse(json).AsObject());

    static void AssertRefused(string json, Action<ConfigReader> read, string expected, string? found = null)
    {
        var error = Assert.Throws<FormatException>(() => read(Read($$"""{"beta_1": {{json}}}""")));
        Assert.Equal($"Adamax: config key 'beta_1' should be {expected}, found {found ?? json}", error.Message);
    }
}
