using System.Text.Json;
using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Config;
using Infinorm.Optimizers;
using Infinorm.Schedules;
using Infinorm.Types;

namespace Infinorm.Tests.Checkpoints;

public class CheckpointInfoTests
{
    [Fact]
    public void SurvivesAFile()
    {
        JsonObject config = new Adamax(new CosineDecay(0.1, 10)) { WeightDecay = 0.1 }.GetConfig();
        var info = new CheckpointInfo(config, DType.Float64, ["a/b", "ä\"\n"], CheckpointGroups.None);
        using SafetensorsFile file = MakeFile(info.ToMetadata());
        CheckpointInfo read = CheckpointInfo.Read(file);
        Assert.Equal(PythonJson.Write(config), PythonJson.Write(read.Config));
        Assert.Equal(DType.Float64, read.FloatX);
        Assert.Equal(["a/b", "ä\"\n"], read.WeightDecayExclusions);
    }

    [Theory]
    [InlineData("infinorm", null, "x: it is not a checkpoint of an optimizer: its metadata have no \"infinorm\"")]
    [InlineData("infinorm", "2", "x: it is a checkpoint of version \"2\"; this release reads version \"1\"")]
    [InlineData("config", null, "x: its metadata have no \"config\"")]
    [InlineData("config", "[]", "x: config: it is not an object")]
    [InlineData("config", "{", "x: Not valid JSON")]
    [InlineData("config", "{\"a\":1,\"a\":1}", "x: Not valid JSON")]
    [InlineData("floatx", "float16", "x: floatx: \"float16\" is neither float32 nor float64")]
    [InlineData("weight_decay_exclusions", "", "x: weight_decay_exclusions: it is not a list of different strings")]
    [InlineData("weight_decay_exclusions", "[", "x: weight_decay_exclusions: it is not a list of different strings")]
    [InlineData("weight_decay_exclusions", "{}", "x: weight_decay_exclusions: it is not a list of different strings")]
    [InlineData("weight_decay_exclusions", "[1]", "x: weight_decay_exclusions: it is not a list of different strings")]
    [InlineData("weight_decay_exclusions", "[[]]", "x: weight_decay_exclusions: it is not a list of different strings")]
    [InlineData("weight_decay_exclusions", "[]x", "x: weight_decay_exclusions: it is not a list of different strings")]
    [InlineData("weight_decay_exclusions", "[\"a\",\"a\"]", "x: weight_decay_exclusions: it is not a list of different strings")]
    [InlineData("weight_decay_exclusions", "[\"\\ud800\"]", "x: a string is not Unicode")]
    [InlineData("groups", "[{}]", "x: its metadata have no \"group_of\"")]
    [InlineData("group_of", "{}", "x: its metadata have no \"groups\"")]
    public void RefusesWhatItCannotRead(string key, string? value, string message)
    {
        var metadata = new Dictionary<string, string>(new CheckpointInfo([], DType.Float32, [], CheckpointGroups.None).ToMetadata());
        if (value is null)
            metadata.Remove(key);
        else
            metadata[key] = value;
        using SafetensorsFile file = MakeFile(metadata);
        Assert.StartsWith(message, Assert.Throws<InvalidFileException>(() => CheckpointInfo.Read(file)).Message);
    }

    [Fact]
    public void ALongConfigIsNeitherWrittenNorRead()
    {
        var config = new JsonObject { ["a"] = new string('a', 1 << 17) };
        Refusal.Is<InvalidOperationException>(
            "The config has 131081 characters, the list of exclusions from weight decay 2; at most 131072 and 3145728 can be saved.",
            () => new CheckpointInfo(config, DType.Float32, [], CheckpointGroups.None).ToMetadata());
        Assert.Throws<InvalidOperationException>(
            () => new CheckpointInfo([], DType.Float32, [new string('a', 3 << 20)], CheckpointGroups.None).ToMetadata());
        var empty = new CheckpointInfo([], DType.Float32, [], CheckpointGroups.None);
        var metadata = new Dictionary<string, string>(empty.ToMetadata()) { ["config"] = PythonJson.Write(config) };
        using SafetensorsFile file = MakeFile(metadata);
        Refusal.Is<InvalidFileException>(
            "x: config: it has 131081 characters; at most 131072 are supported", () => CheckpointInfo.Read(file));
    }

    // Not by the library's writer, which refuses some of this.
    static SafetensorsFile MakeFile(IEnumerable<KeyValuePair<string, string>> metadata)
    {
        string json = JsonSerializer.Serialize(new Dictionary<string, object> { ["__metadata__"] = new Dictionary<string, string>(metadata) });
        return new(new MemoryStream(PlainSafetensors.Make(json, 0)), "x");
    }
}
