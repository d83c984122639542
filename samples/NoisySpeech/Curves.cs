using Infinorm.Samples.Speech;
using ScottPlot;

namespace Infinorm.Samples.NoisySpeech;

/// <summary>Draws loss and accuracy over the steps, the noise conditions shaded behind them.</summary>
static class Curves
{
    static readonly Dictionary<NoiseKind, Color> Shades = new()
    {
        [NoiseKind.Clean] = Colors.White,
        [NoiseKind.White] = Color.FromHex("#d9d9d9"),
        [NoiseKind.Pink] = Color.FromHex("#fbb4d4"),
        [NoiseKind.Hum] = Color.FromHex("#ffe08a"),
        [NoiseKind.Babble] = Color.FromHex("#a9d8f5"),
        [NoiseKind.Bursts] = Color.FromHex("#b8e6b0"),
    };

    static readonly Color Raw = Color.FromHex("#8a8fb5"), Averaged = Color.FromHex("#14265c");

    /// <summary>Writes a PNG, all of it or nothing.</summary>
    public static void Draw(Run run, string path)
    {
        var plots = new Multiplot();
        plots.AddPlots(2);
        Plot loss = plots.GetPlot(0), accuracy = plots.GetPlot(1);

        double[] losses = Smooth([.. run.History.Select(seen => (double)seen.Loss)]);
        Shade(loss, run, named: false);
        loss.Add.Signal(losses).Color = Raw;
        Label(loss, run, "training loss", 0, 1.1 * losses.Max());
        loss.Title($"{run.Name} while the noise changes every {run.Course.PhaseLength} steps");

        double[] steps = [.. run.Probes.Select(probe => (double)probe.Step)];
        Shade(accuracy, run, named: true);
        Line(accuracy, steps, run.Probes.Select(probe => probe.Raw), Raw, "weights as trained");
        Line(accuracy, steps, run.Probes.Select(probe => probe.Averaged), Averaged, "averaged weights (EMA)");
        Label(accuracy, run, "accuracy on unseen batches, %", 0, 105);
        accuracy.XLabel("step");
        accuracy.ShowLegend(Edge.Bottom);
        accuracy.Legend.Orientation = Orientation.Horizontal;

        Picture.Save(plots, path);
    }

    static void Label(Plot plot, Run run, string label, double low, double high)
    {
        plot.YLabel(label);
        plot.Axes.SetLimits(0, run.History.Count, low, high);
    }

    static void Line(Plot plot, double[] steps, IEnumerable<double> values, Color color, string name)
    {
        var line = plot.Add.ScatterLine(steps, Smooth([.. values]), color);
        line.LegendText = name;
        line.LineWidth = 2;
    }

    // Each noise in its colour; in the legend, once.
    static void Shade(Plot plot, Run run, bool named)
    {
        int length = run.Course.PhaseLength;
        var seen = new HashSet<NoiseKind>();
        for (int start = 0; start < run.History.Count; start += length)
        {
            NoiseKind kind = run.Course.At(start).Kind;
            var shade = plot.Add.HorizontalSpan(start, Math.Min(start + length, run.History.Count), Shades[kind]);
            shade.LineStyle.Width = 0;
            if (seen.Add(kind) && named)
                shade.LegendText = kind == NoiseKind.Clean ? "clean (unshaded)" : kind.ToString().ToLowerInvariant();
        }
    }

    // The mean over the batches around each.
    static double[] Smooth(double[] values)
    {
        const int Reach = 4;
        var smooth = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            int from = Math.Max(0, i - Reach), to = Math.Min(values.Length, i + Reach + 1);
            smooth[i] = values[from..to].Average();
        }

        return smooth;
    }
}
