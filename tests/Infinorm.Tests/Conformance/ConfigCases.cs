using System.Text.Json.Nodes;
using Infinorm.Optimizers;
using Infinorm.Schedules;

namespace Infinorm.Tests.Conformance;

/// <summary>One of the <c>configs</c>: arguments, and the config object that Keras writes for them.</summary>
/// <param name="Kwargs">Null when it was not made from arguments; then only its config is known.</param>
/// <param name="Text">The exact output of Python's <c>json.dumps</c>.</param>
/// <param name="RoundtripError">What Keras raises when it reads the config back: it knows no function of that name.</param>
sealed record ConfigCase(
    string Id, JsonObject? Kwargs, JsonObject? LossScaleKwargs, JsonObject Serialized, string Text,
    bool RoundtripEqual = true, KerasError? RoundtripError = null, string? Note = null)
{
    public Outcome Run()
    {
        if (RoundtripError is not null)
            return RunFunction();
        JsonObject input = Kwargs is null ? Serialized : KerasConfig.Of(KerasConfig.InnermostClass(Serialized), Kwargs, LossScaleKwargs);
        Optimizer? optimizer = null;
        if (Attempt.Run(() => optimizer = Optimizer.FromConfig(input), error: null, SettingDepartures.Of(input)) is { } outcome)
            return outcome;

        // A rate other than the one given was set afterwards.
        double? given = Kwargs is null ? null : KerasConfig.Number(Kwargs, "learning_rate");
        double? written = KerasConfig.Number(KerasConfig.Innermost(Serialized), "learning_rate");
        if (given is not null && (float)given != written)
            optimizer!.LearningRate = written!.Value;

        Assert.True(RoundtripEqual);
        JsonComparison.AssertSame(Serialized, optimizer!, input);
        JsonComparison.AssertSameText(Text, Optimizer.FromConfig(Serialized).ToJson());
        return Outcome.Compared;
    }

    static readonly HashSet<string> RegisteredFunctions = [];

    /// <summary>The learning rate is a function, whose name says nothing until a function is registered under it.</summary>
    Outcome RunFunction()
    {
        string name = (string)KerasConfig.Innermost(Serialized)["learning_rate"]!["config"]!;
        if (RegisteredFunctions.Add(name)) // else a case before this one has registered it
            Assert.Throws<FormatException>(() => Optimizer.FromConfig(Serialized));
        LearningRate.RegisterFunction(name, () => 0.001);
        JsonComparison.AssertSameText(Text, Optimizer.FromConfig(Serialized).ToJson());
        return Outcome.Compared;
    }
}

/// <summary>One of the <c>configs</c>: the names of optimizers made one after the other.</summary>
sealed record NamesCase(string Id, string[] Names, string? Note = null)
{
    /// <summary>A name that comes again was given; the others are automatic, and count on from whatever this process has made.</summary>
    public Outcome Run()
    {
        int? offset = null;
        for (int i = 0; i < Names.Length; i++)
        {
            if (Names[..i].Contains(Names[i]))
                continue;
            (string prefix, int number) = Split(Names[i]);
            string className = Optimizer.Classes.Names.First(known => Optimizer.SnakeCase(known) == prefix);
            (string actualPrefix, int actualNumber) = Split(Optimizer.Get(className).Name);
            offset ??= actualNumber - number;
            Assert.Equal((prefix, number + offset), (actualPrefix, actualNumber));
        }

        return Outcome.Compared;
    }

    static (string Prefix, int Number) Split(string name)
    {
        int last = name.LastIndexOf('_');
        return last > 0 && int.TryParse(name[(last + 1)..], out int number) ? (name[..last], number) : (name, 0);
    }
}

/// <summary>One of <c>deserialize</c>: a config object to read, and what Keras makes of it.</summary>
/// <param name="Serialized">The config object of the result; its bare name for an unknown class, at which Keras does not fail.</param>
sealed record DeserializeCase(
    string Id, JsonObject Input, JsonNode? Serialized = null, KerasError? Error = null, string[]? Warnings = null,
    bool MessageIsEnvironmentSpecific = false)
{
    public const string LackReason = "Lamb, which is missing from Keras's own list of optimizers, is found";

    public static bool KerasLacks(string? className) => "Lamb".Equals(className, StringComparison.OrdinalIgnoreCase);

    public Outcome Run()
    {
        if (KerasLacks(Input["class_name"]?.ToString()))
            return new Outcome(Extent.Different, LackReason);
        Departure? departure = Serialized is JsonValue
            ? Departures.Refused<FormatException>("an unknown class, whose name Keras returns")
            : SettingDepartures.Of(Input);
        Optimizer? optimizer = null;
        if (Attempt.Run(() => optimizer = Optimizer.FromConfig(Input), Error, departure, Warnings) is { } outcome)
            return outcome;
        JsonComparison.AssertSame((JsonObject)Serialized!, optimizer!, Input);
        return Outcome.Compared;
    }
}

/// <summary>One of <c>get</c>: an optimizer looked up by its name.</summary>
sealed record GetCase(string Id, string? Identifier, JsonObject? Serialized = null, KerasError? Error = null)
{
    public Outcome Run()
    {
        if (Identifier is null)
            return new Outcome(Extent.NotApplicable, "Get without a name: the parameter is not nullable");
        Optimizer? optimizer = null;
        if (DeserializeCase.KerasLacks(Identifier))
        {
            Assert.IsType<Lamb>(Optimizer.Get(Identifier));
            return new Outcome(Extent.Different, DeserializeCase.LackReason);
        }

        if (Attempt.Run(() => optimizer = Optimizer.Get(Identifier), Error, departure: null) is { } outcome)
            return outcome;
        JsonComparison.AssertSame(Serialized!, optimizer!, input: null);
        return Outcome.Compared;
    }
}
