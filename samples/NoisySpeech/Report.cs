using System.Globalization;
using Spectre.Console;

namespace Infinorm.Samples.NoisySpeech;

/// <summary>Tells what happens: a progress bar in a terminal, plain lines elsewhere, then the results.</summary>
sealed class Report(TextWriter output)
{
    /// <summary>Batches whose mean accuracy says whether the network has recovered from a change of noise.</summary>
    const int Window = 5;

    public void Start(Experiment experiment) =>
        Line($"{experiment.TrainCount} recordings to train with, {experiment.TestCount} to test with");

    /// <summary>Trains and shows the progress.</summary>
    public Run Watch(Experiment experiment, Choice choice, int steps)
    {
        string name = $"{choice}";
        if (Console.IsOutputRedirected)
        {
            int every = Math.Max(1, steps / 10);
            return experiment.Train(choice, steps, (step, seen) =>
            {
                if ((step + 1) % every == 0)
                    Line($"{name}: step {step + 1} of {steps}, {seen.Condition}: loss {seen.Loss:F3}, accuracy {100 * seen.Accuracy:F0} %");
            });
        }

        Run? run = null;
        AnsiConsole.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(bars =>
            {
                ProgressTask bar = bars.AddTask(name, maxValue: steps);
                run = experiment.Train(choice, steps, (step, seen) =>
                {
                    bar.Description = $"{name}, {seen.Condition,-13} loss {seen.Loss:F2}";
                    bar.Value = step + 1;
                });
            });
        return run!;
    }

    /// <summary>A line a noise condition, then the totals.</summary>
    public void Show(Run run, TimeSpan elapsed)
    {
        Line($"{run.Name}: {run.History.Count} steps in {elapsed.TotalSeconds:F0} s, {run.OptimizerTime.TotalSeconds:F2} s of it in the optimizer; "
            + $"the noise changed every {run.Course.PhaseLength} steps");
        Line("condition        raw %   averaged %   steps to recover after a change to it");
        foreach (TestResult test in run.Tests)
            Line($"{test.Condition,-14} {test.Raw,7:F1} {test.Averaged,12:F1}   {Recovery(run, test.Condition)}");
        Line($"clean  raw {run.Clean.Raw:F1} %, averaged {run.Clean.Averaged:F1} %");
        Line($"noisy  raw {run.NoisyRaw:F1} %, averaged {run.NoisyAveraged:F1} %");
    }

    /// <summary>Runs side by side.</summary>
    public void Compare(IReadOnlyList<Run> runs)
    {
        Line("averaged weights   clean %   noisy %   seconds in the optimizer");
        foreach (Run run in runs)
            Line($"{run.Name,-18} {run.Clean.Averaged,7:F1} {run.NoisyAveraged,9:F1} {run.OptimizerTime.TotalSeconds,10:F2}");
    }

    /// <summary>A line for each optimizer and rate: the mean over the seeds, and the least and most of them.</summary>
    public void Show(IReadOnlyList<SweepPoint> points)
    {
        Line($"averaged weights, {points[0].Runs.Count} seeds: mean (least to most)");
        Line("optimizer, rate       clean %               noisy %               points lost after a change of the noise");
        foreach (SweepPoint point in points)
            Line($"{point.Choice,-18} {Spread(point.Clean),-21} {Spread(point.Noisy),-21} {Spread(point.Dip)}");

        static string Spread(IEnumerable<double> values) =>
            string.Create(CultureInfo.InvariantCulture, $"{values.Average(),5:F1} ({values.Min():F1} to {values.Max():F1})");
    }

    /// <summary>
    /// After each change to a condition: the steps until the mean accuracy of <see cref="Window"/> batches is back at 95 % of what it
    /// was over the phase before.
    /// </summary>
    static string Recovery(Run run, Speech.NoiseCondition condition)
    {
        int length = run.Course.PhaseLength;
        var found = new List<string>();
        for (int start = length; start + length <= run.History.Count; start += length)
        {
            if (run.Course.At(start) != condition)
                continue;
            float before = Mean(run, start - length, start);
            int steps = Enumerable.Range(Window, length - Window + 1)
                .FirstOrDefault(k => Mean(run, start + k - Window, start + k) >= 0.95f * before);
            found.Add(steps == 0 ? $"over {length}" : $"{steps}");
        }

        return found.Count == 0 ? "-" : string.Join(", ", found);
    }

    static float Mean(Run run, int from, int to)
    {
        float sum = 0;
        for (int i = from; i < to; i++)
            sum += run.History[i].Accuracy;
        return sum / (to - from);
    }

    void Line(FormattableString text) => output.WriteLine(text.ToString(CultureInfo.InvariantCulture));

    void Line(string text) => output.WriteLine(text);
}
