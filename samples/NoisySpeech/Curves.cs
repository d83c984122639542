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

    /// <summary>Writes a PNG, all of it or nothing.</summary>
    public static void Draw(Run run, string path)
    {
        var plots = new Multiplot();
        plots.AddPlots(2);
        Fill(plots.GetPlot(0), run, "loss", run.History.Select(seen => (double)seen.Loss), null);
        Fill(plots.GetPlot(1), run, "accuracy, %", run.History.Select(seen => 100.0 * seen.Accuracy), (0, 100));
        plots.GetPlot(0).ShowLegend(Alignment.UpperRight, Orientation.Horizontal);
        plots.GetPlot(0).Title($"{run.Name} while the noise changes");
        plots.GetPlot(1).XLabel("step");

        Picture.Save(plots, path);
    }

    static void Fill(Plot plot, Run run, string label, IEnumerable<double> values, (double Low, double High)? range)
    {
        double[] smooth = Smooth([.. values]);
        (double low, double high) = range ?? (0, 1.1 * smooth.Max());
        int length = run.Course.PhaseLength;
        var named = new HashSet<NoiseKind>();
        for (int start = 0; start < run.History.Count; start += length)
        {
            NoiseKind kind = run.Course.At(start).Kind;
            var shade = plot.Add.HorizontalSpan(start, Math.Min(start + length, run.History.Count), Shades[kind]);
            shade.LineStyle.Width = 0;
            if (named.Add(kind))
                shade.LegendText = kind.ToString().ToLowerInvariant();
        }

        plot.Add.Signal(smooth).Color = Color.FromHex("#1f3b73");
        plot.YLabel(label);
        plot.Axes.SetLimits(0, run.History.Count, low, high);
        plot.Font.Set(Picture.FontName);
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
