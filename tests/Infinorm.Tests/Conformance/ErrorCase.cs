using System.Text.Json.Nodes;
using Infinorm.Optimizers;
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
        if (ClassName is nameof(LearningRateSchedule) or nameof(Optimizer))
            return new Outcome(Extent.NotApplicable, $"{ClassName} is abstract");
        return Op switch
        {
            "construct" => Attempt.Run(() => Make(), Error, SettingDepartures.Of(Config()), Warnings) ?? Outcome.Compared,
            "get_config" => Attempt.Run(() => Config(Make()), Error, SettingDepartures.Of(Config()), Warnings) ?? Outcome.Compared,
            "call" => Attempt.Run(() => ((LearningRateSchedule)Make()).At(Step!.Value), Error, departure: null) ?? Outcome.Compared,
            _ => throw new NotSupportedException($"An operation {Op}."),
        };
    }

    object Make() => IsSchedule ? LearningRateSchedule.FromConfig(Config()) : Optimizer.FromConfig(Config());

    static JsonObject Config(object made) =>
        made is LearningRateSchedule schedule ? JsonComparison.ConfigOf(new Adamax(schedule)) : JsonComparison.ConfigOf((Optimizer)made);

    JsonObject Config()
    {
        if (IsSchedule)
            return KerasConfig.OfSchedule(ClassName!, Kwargs!);
        if (ClassName != nameof(LossScaleOptimizer))
            return KerasConfig.Of(ClassName!, Kwargs!);
        OptimizerSpec inner = new KerasScript(Inner ?? "Adamax()").Optimizer();
        return KerasConfig.Of(inner.ClassName, inner.Kwargs, Kwargs);
    }
}
