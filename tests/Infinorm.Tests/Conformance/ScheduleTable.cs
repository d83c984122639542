using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Infinorm.Optimizers;
using Infinorm.Schedules;
using Infinorm.Types;

namespace Infinorm.Tests.Conformance;

/// <summary>One table of kind <c>tables</c>: the learning rate of a schedule at many steps.</summary>
/// <param name="FloatStepRows">The same at fractional steps, which have no counterpart: Infinorm's counter is an integer.</param>
sealed record ScheduleTable(
    string Id, JsonObject Schedule, JsonObject Serialized, DType StepDtype, ScheduleRow[] Rows,
    ScheduleRow[]? FloatStepRows = null, string? FloatStepNote = null)
{
    public Outcome Run()
    {
        Assert.Equal(DType.Int64, StepDtype);
        var schedule = LearningRateSchedule.FromConfig(Schedule);
        JsonComparison.AssertSame(Serialized, JsonComparison.ConfigOf(new Adamax(schedule))["config"]!["learning_rate"]);
        foreach (ScheduleRow row in Rows.Where(row => !row.Fragile))
        {
            double rate = schedule.At(checked((long)row.Step));
            Assert.Equal(DType.Float32, row.Dtype);
            byte[] bytes = BitConverter.GetBytes((float)rate);
            Comparison.AssertSame($"rate at step {row.Step}", DType.Float32, row.Bytes, bytes, behindNorm: false);
            Assert.Equal((float)rate, rate);
        }

        return Outcome.Compared;
    }
}

/// <summary>The rate at one step.</summary>
/// <param name="Fragile">One ulp of a logarithm decides on which side of a restart the step falls.</param>
sealed record ScheduleRow(double Step, DType Dtype, double Value, [property: JsonPropertyName("b64")] byte[] Bytes, bool Fragile = false);
