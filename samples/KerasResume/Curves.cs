using ScottPlot;
using ScottPlot.TickGenerators;

namespace Infinorm.Samples.KerasResume;

/// <summary>Draws the training's loss, and the accuracy under each noise before and after it.</summary>
static class Curves
{
    static readonly Color Before = Color.FromHex("#9aa5c4"), After = Color.FromHex("#1f3b73");

    /// <summary>Writes a PNG, all of it or nothing.</summary>
    public static void Draw(Result result, string path)
    {
        var plots = new Multiplot();
        plots.AddPlots(2);
        Plot loss = plots.GetPlot(0), accuracy = plots.GetPlot(1);
        loss.Add.Scatter(result.Epochs.Select(log => (double)log.Epoch).ToArray(),
            result.Epochs.Select(log => log.Values["loss"]).ToArray(), After);
        loss.Title("A Keras model continues its training while the noise changes");
        loss.YLabel("training loss");
        loss.XLabel("epoch");
        loss.Axes.Bottom.TickGenerator = new NumericAutomatic { IntegerTicksOnly = true };

        Bars(test => test.Before, -0.2, Before, "before");
        Bars(test => test.After, 0.2, After, "after");
        accuracy.YLabel("accuracy on unheard voices, %");
        accuracy.Axes.SetLimitsY(0, 105);
        accuracy.Axes.Bottom.SetTicks([.. result.Tests.Select((_, i) => (double)i)], [.. result.Tests.Select(test => test.Noise)]);
        accuracy.ShowLegend(Alignment.UpperRight, Orientation.Horizontal);
        Picture.Save(plots, path);

        void Bars(Func<Heard, double> value, double offset, Color color, string legend)
        {
            var bars = accuracy.Add.Bars(result.Tests.Select((_, i) => i + offset).ToArray(), result.Tests.Select(value).ToArray());
            bars.LegendText = legend;
            foreach (Bar bar in bars.Bars)
                (bar.FillColor, bar.Size, bar.LineWidth) = (color, 0.38, 0);
        }
    }
}
