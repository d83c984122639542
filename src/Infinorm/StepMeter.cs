using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Infinorm;

/// <summary>
/// The meter <c>Infinorm</c>, for OpenTelemetry (<c>AddMeter("Infinorm")</c>) and <c>dotnet-counters monitor --counters Infinorm</c>. A
/// measurement without listeners costs one check; with listeners it allocates nothing. Every measurement carries the
/// optimizer's name as the tag <c>optimizer</c>.
/// </summary>
static class StepMeter
{
    static readonly Meter Meter = new("Infinorm");

    // The default boundaries of exporters are those of web requests; a step takes between a microsecond and a second.
    static readonly Histogram<double> Duration = Meter.CreateHistogram(
        "infinorm.step.duration", "s", "Time in one call of Apply.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1] });

    static readonly Histogram<double> GradientNorm = Meter.CreateHistogram<double>(
        "infinorm.gradient.norm", description: "Norm of all gradients before clipping, where GlobalClipNorm asks for it.");

    static readonly Gauge<double> LearningRate = Meter.CreateGauge<double>(
        "infinorm.learning_rate", description: "Learning rate of the last step.");

    static readonly Gauge<double> LossScale = Meter.CreateGauge<double>(
        "infinorm.loss_scale", description: "What the gradients of the last step were divided by, where the loss is scaled.");

    static readonly Counter<long> Skipped = Meter.CreateCounter<long>(
        "infinorm.steps.skipped", "{step}", "Calls of Apply dropped because a gradient was not finite.");

    /// <summary>The time, if anybody wants to know how long a step takes; else 0.</summary>
    public static long Start() => Duration.Enabled ? Stopwatch.GetTimestamp() : 0;

    /// <summary>Tells the listeners about a step.</summary>
    /// <param name="optimizer">Who made it.</param>
    /// <param name="start">What <see cref="Start"/> gave before it.</param>
    /// <param name="step">What it did.</param>
    /// <param name="lossScale">What the gradients were divided by; null for nothing.</param>
    public static void Record(Optimizer optimizer, long start, in StepInfo step, double? lossScale)
    {
        try
        {
            Tell(optimizer, start, in step, lossScale);
        }
        catch (Exception e)
        {
            // The step is made; that a listener failed must not look as if it were not.
            Trace.TraceError($"A listener of the meter Infinorm threw after a step of {optimizer.Name}: {e}");
        }
    }

    static void Tell(Optimizer optimizer, long start, in StepInfo step, double? lossScale)
    {
        if (start != 0)
            Duration.Record(Stopwatch.GetElapsedTime(start).TotalSeconds, Tag(optimizer));
        if (GradientNorm.Enabled && step.GradientNorm is { } norm)
            GradientNorm.Record(norm, Tag(optimizer));
        if (LearningRate.Enabled)
            LearningRate.Record(step.LearningRate, Tag(optimizer));
        if (LossScale.Enabled && lossScale is { } scale)
            LossScale.Record(scale, Tag(optimizer));
        if (Skipped.Enabled && step.Result == StepResult.Skipped)
            Skipped.Add(1, Tag(optimizer));
    }

    static KeyValuePair<string, object?> Tag(Optimizer optimizer) => new("optimizer", optimizer.Name);
}
