using System.Text;
using System.Text.Json.Nodes;
using Infinorm.Charts;
using Infinorm.Checkpoints;
using Infinorm.Config;
using Infinorm.Keras.Json;
using Infinorm.Schedules;
using Infinorm.Tool.Files;
using Infinorm.Tool.Terminal;

namespace Infinorm.Tool;

/// <summary>A learning rate as a function of the steps taken.</summary>
/// <param name="Name">What it is: "CosineDecay", "constant".</param>
/// <param name="At">The rate after a number of steps.</param>
/// <param name="DefaultSteps">So many steps show what it does.</param>
sealed record ScheduleSource(string Name, Func<long, double> At, long DefaultSteps)
{
    /// <summary>The most steps to draw; a double counts them exactly.</summary>
    public const long MaxSteps = 1L << 52;

    const int MaxJsonLength = 1 << 20;

    const double Margin = 1.25, Periods = 4;

    /// <summary>Reads what <c>infinorm schedule</c> is given.</summary>
    public static ScheduleSource Read(string config, Session session)
    {
        try
        {
            return Find(config, Json(config, session));
        }
        catch (ArgumentException e)
        {
            throw new CommandException(e.Message, e); // a setting that the schedule's constructor refuses
        }
    }

    /// <summary>At most this many points, evenly spaced from step 0 to the last.</summary>
    public Curve Sample(long steps, int points)
    {
        int count = (int)Math.Min(points, steps + 1);
        long[] at = [.. Enumerable.Range(0, count).Select(i => (long)Math.Round((double)steps * i / (count - 1)))];
        return new(Name, at, Array.ConvertAll(at, step => At(step)));
    }

    static JsonObject Json(string config, Session session)
    {
        if (config.AsSpan().TrimStart().StartsWith("{"))
            return JsonText.Parse("CONFIG", "the text", Encoding.UTF8.GetBytes(config));
        if (!IsJson(config))
        {
            using StateFile file = StateFile.Open(config, session);
            return file.Settings ?? throw new CommandException($"{config}: it has no settings of an optimizer");
        }

        using FileStream stream = RegularFile.OpenRead(config);
        if (stream.Length > MaxJsonLength)
            throw new InvalidFileException(config, $"a JSON file of {stream.Length} bytes; at most {MaxJsonLength} are supported");
        var text = new byte[stream.Length];
        stream.ReadExactly(text);
        return JsonText.Parse(config, "the text", text);
    }

    // What a file is, its first byte that is not white space says.
    static bool IsJson(string path)
    {
        using FileStream stream = RegularFile.OpenRead(path);
        int first;
        do
        {
            first = stream.ReadByte();
        }
        while (first is ' ' or '\t' or '\r' or '\n');
        return first == '{';
    }

    // A model has an optimizer, an optimizer a rate, maybe by way of another optimizer.
    static ScheduleSource Find(string where, JsonObject json)
    {
        if ((json["compile_config"] as JsonObject)?["optimizer"] is JsonObject compiled)
            return Find(where, compiled);
        var settings = json["config"] as JsonObject;
        if (settings?["inner_optimizer"] is JsonObject inner)
            return Find(where, inner);
        if (settings is null || !settings.TryGetPropertyValue("learning_rate", out JsonNode? rate))
            return Of(LearningRate.FromConfig(WithModule(json)));
        return rate switch
        {
            JsonObject schedule => Of(LearningRate.FromConfig(WithModule(schedule))),
            JsonValue value when value.TryGetValue(out double number) => Of(number),
            _ => throw new CommandException($"{where}: the learning rate is neither a number nor a schedule"),
        };
    }

    // A schedule that was written by hand is one of Keras's.
    static JsonObject WithModule(JsonObject schedule)
    {
        var copy = (JsonObject)schedule.DeepClone();
        copy.TryAdd("module", LearningRateSchedule.KerasModule);
        return copy;
    }

    static ScheduleSource Of(LearningRate rate)
    {
        if (rate.Schedule is { } schedule)
            return new(schedule.GetType().Name, schedule.At, Length(schedule));
        double constant = rate.Value ?? throw new CommandException("the learning rate is a function, which only its program can ask");
        return new("constant", _ => constant, (long)(1000 * Margin));
    }

    // A little beyond its end, or a few of its periods.
    static long Length(LearningRateSchedule schedule)
    {
        var config = new ConfigReader(schedule.Name, (JsonObject)schedule.GetConfig()["config"]!);
        bool ends = schedule is CosineDecay or PiecewiseConstantDecay || (schedule is PolynomialDecay && !config.Boolean("cycle", false));
        double length = schedule is PiecewiseConstantDecay
            ? config.Numbers("boundaries").LastOrDefault()
            : config.Number("warmup_steps", 0) + config.Number("decay_steps", 0) + config.Number("first_decay_steps", 0);
        return (long)Math.Clamp(Math.Ceiling(length * (ends ? Margin : Periods)), 1, MaxSteps);
    }
}
