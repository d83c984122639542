using System.Text.Json.Nodes;
using Infinorm.Config;
using Infinorm.Schedules;

namespace Infinorm.Tests.Schedules;

/// <summary>What is asked of every schedule alike.</summary>
static class ScheduleAssert
{
    /// <summary>The rates are Keras's, as the double that the exact float32 is.</summary>
    public static void Rates(LearningRateSchedule schedule, params (long Step, double Rate)[] expected) =>
        Assert.Equal(expected, expected.Select(row => (row.Step, schedule.At(row.Step))));

    /// <summary>The schedule has this inner config, and a schedule read from it, its keys reversed, has the same.</summary>
    public static void Config(LearningRateSchedule schedule, string inner)
    {
        string text = $"{{\"module\": \"keras.optimizers.schedules\", \"class_name\": \"{schedule.GetType().Name}\", "
            + $"\"config\": {inner}, \"registered_name\": null}}";
        Assert.Equal(text, PythonJson.Write(schedule.GetConfig()));
        var read = LearningRateSchedule.FromConfig(Reversed(PythonJson.Parse(text).AsObject()));
        Assert.Equal(text, PythonJson.Write(read.GetConfig()));
    }

    /// <summary>A schedule read from this inner config, which leaves out what has a default, has the whole one.</summary>
    public static void Defaults(string className, string given, string whole)
    {
        var read = LearningRateSchedule.FromConfig(
            KerasObject.Wrap("keras.optimizers.schedules", className, PythonJson.Parse(given), null));
        Assert.Equal(whole, PythonJson.Write(read.GetConfig()["config"]));
    }

    /// <summary>The number is refused by a message that names it: NaN and infinity always, zero and less if it counts steps.</summary>
    public static void Refuses(string name, Func<double, LearningRateSchedule> create, bool steps = false)
    {
        double[] refused = [double.NaN, double.PositiveInfinity, double.NegativeInfinity, .. steps ? [0.0, -3] : Array.Empty<double>()];
        foreach (double value in refused)
        {
            var error = Assert.Throws<ArgumentOutOfRangeException>(() => create(value));
            Assert.Equal((name, value), (error.ParamName, error.ActualValue));
            Assert.StartsWith($"{name} must be a finite number{(steps ? " > 0" : "")}.", error.Message);
        }
        create(steps ? 0.5 : -1);
    }

    static JsonNode? Reversed(JsonNode? node) => node is JsonObject json ? Reversed(json) : node?.DeepClone();

    static JsonObject Reversed(JsonObject json) =>
        new(json.Reverse().Select(property => KeyValuePair.Create(property.Key, Reversed(property.Value))));
}
