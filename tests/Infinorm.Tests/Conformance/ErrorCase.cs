using System.Text.Json.Nodes;
using Infinorm.Schedules;

namespace Infinorm.Tests.Conformance;

/// <summary>One case of kind <c>errors</c>: a call, and what Keras raises; null where it raises nothing.</summary>
/// <param name="Inner">The optimizer inside a LossScaleOptimizer, as a Python expression.</param>
sealed record ErrorCase(
    string Id, string Op, KerasError? Error, string? ClassName = null, JsonObject? Kwargs = null, string? Inner = null, long? Step = null,
    string? Script = null, string[]? Warnings = null, string? Note = null, bool MessageIsBackendSpecific = false)
{
    bool IsSchedule => ClassName == nameof(LearningRateSchedule) || LearningRateSchedule.Classes.Knows(ClassName!);

    public Outcome Run()
    {
        if (Op == "script")
            return new KerasScript(Script!, Error).Run();
        if (ClassName == nameof(LearningRateSchedule))
            return new Outcome(Extent.NotApplicable, "LearningRateSchedule is abstract");
        return Op switch
        {
            "construct" => Attempt.Run(() => Make(), Error, SettingDepartures.Of(Config()), Warnings) ?? Outcome.Compared,
            "call" => Attempt.Run(() => ((LearningRateSchedule)Make()).At(Step!.Value), Error, departure: null) ?? Outcome.Compared,
            _ => throw new NotSupportedException($"An operation {Op}."),
        };
    }

    object Make() => IsSchedule ? LearningRateSchedule.FromConfig(Config()) : Optimizer.FromConfig(Config());

    JsonObject Config()
    {
        if (IsSchedule)
            return KerasConfig.OfSchedule(ClassName!, Kwargs!);
        Assert.True(Inner is null or "Adamax()", $"An inner optimizer {Inner}.");
        return ClassName == "LossScaleOptimizer" ? KerasConfig.Of("Adamax", [], Kwargs) : KerasConfig.Of(ClassName!, Kwargs!);
    }
}
