using System.Diagnostics;
using System.Diagnostics.Metrics;
using Infinorm.Optimizers;
using Infinorm.Tests.Properties;
using Infinorm.Variables;

namespace Infinorm.Tests;

/// <summary>What a listener to the meter <c>Infinorm</c> hears. Alone, because a step of any other test would be heard as well.</summary>
[Collection(nameof(Alone))]
public class StepMeterTests
{
    readonly Variable<float> _variable = new("bias", new float[3]);
    readonly float[] _gradient = [3, 0, 4];

    [Fact]
    public void TellsDurationNormRateScaleAndTheOptimizersName()
    {
        var adamax = new Adamax(0.25) { Name = "a", GlobalClipNorm = 1, LossScaleFactor = 0.5 };
        adamax.Build(_variable);
        var heard = Hear(() => adamax.Apply([_gradient]));

        Assert.Equal(
            ["infinorm.gradient.norm", "infinorm.learning_rate", "infinorm.loss_scale", "infinorm.step.duration"],
            heard.Select(m => m.Instrument).Order());
        Assert.All(heard, m => Assert.Equal("a", m.Optimizer));
        Assert.Equal(10, heard.Single(m => m.Instrument == "infinorm.gradient.norm").Value);
        Assert.Equal(0.25, heard.Single(m => m.Instrument == "infinorm.learning_rate").Value);
        Assert.Equal(0.5, heard.Single(m => m.Instrument == "infinorm.loss_scale").Value);
        Assert.InRange(heard.Single(m => m.Instrument == "infinorm.step.duration").Value, 1e-9, 10);
    }

    [Fact]
    public void TellsNothingOfNormAndScaleWhereThereIsNone()
    {
        var adamax = new Adamax(0.25);
        adamax.Build(_variable);
        Assert.Equal(
            ["infinorm.learning_rate", "infinorm.step.duration"],
            Hear(() => adamax.Apply([_gradient])).Select(m => m.Instrument).Order());
    }

    [Fact]
    public void CountsSkippedStepsAndTellsTheScaleOfThatStep()
    {
        var optimizer = new LossScaleOptimizer(new Adamax { Name = "inner" }, initialScale: 8);
        optimizer.Build(_variable);
        var heard = Hear(() =>
        {
            optimizer.Apply([_gradient]);
            optimizer.Apply([new float[] { 0, float.NaN, 0 }]);
            optimizer.Apply([_gradient]);
        });

        Assert.Equal([1.0], heard.Where(m => m.Instrument == "infinorm.steps.skipped").Select(m => m.Value));
        Assert.Equal([8.0, 8.0, 4.0], heard.Where(m => m.Instrument == "infinorm.loss_scale").Select(m => m.Value));
    }

    [Fact]
    public void TellsNothingOfACallThatIsRefused()
    {
        var adamax = new Adamax();
        adamax.Build(_variable);
        Assert.Empty(Hear(() => Assert.Throws<ArgumentException>(() => adamax.Apply([new float[5]]))));
    }

    [Fact]
    public void AListenerThatThrowsDoesNotMakeAStepLookAsIfItHadFailed()
    {
        var optimizer = new LossScaleOptimizer(new Adamax(0.25) { Name = "a" }, initialScale: 8, dynamicGrowthSteps: 1);
        optimizer.Build(_variable);
        using var told = new StringWriter();
        using var trace = new TextWriterTraceListener(told);
        using var listener = new MeterListener { InstrumentPublished = Enable };
        listener.SetMeasurementEventCallback<double>((_, _, _, _) => throw new TimeoutException("the exporter is gone"));
        Trace.Listeners.Add(trace);
        try
        {
            listener.Start();
            Assert.Equal(StepResult.Updated, optimizer.Apply([_gradient]).Result);
        }
        finally
        {
            Trace.Listeners.Remove(trace);
        }

        Assert.Equal((1, 16), (optimizer.Iterations, optimizer.DynamicScale));
        Assert.Contains("A listener of the meter Infinorm threw after a step of a: ", told.ToString());
        Assert.Contains("the exporter is gone", told.ToString());
    }

    [Fact]
    public void AllocatesNothingWhileSomebodyListens()
    {
        var optimizer = new LossScaleOptimizer(new Adamax { GlobalClipNorm = 1 });
        optimizer.Build(_variable);
        float[] broken = [0, float.NaN, 0];
        double sum = 0;
        using var listener = new MeterListener { InstrumentPublished = Enable };
        listener.SetMeasurementEventCallback<double>((_, value, _, _) => sum += value);
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => sum += value);
        listener.Start();

        Assert.Equal(0, NoGarbage.BytesAllocated(() =>
        {
            optimizer.Apply([_gradient]);
            optimizer.Apply([broken]);
        }));
        Assert.True(sum > 0);
    }

    static List<(string Instrument, double Value, object? Optimizer)> Hear(Action action)
    {
        var heard = new List<(string, double, object?)>();
        using var listener = new MeterListener { InstrumentPublished = Enable };
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => heard.Add((instrument.Name, value, Name(tags))));
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => heard.Add((instrument.Name, value, Name(tags))));
        listener.Start();
        action();
        return heard;
    }

    static void Enable(Instrument instrument, MeterListener listener)
    {
        if (instrument.Meter.Name == "Infinorm")
            listener.EnableMeasurementEvents(instrument);
    }

    static object? Name(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        Assert.Equal("optimizer", Assert.Single(tags.ToArray()).Key);
        return tags[0].Value;
    }
}
