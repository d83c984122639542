using ScottPlot;

namespace Infinorm.Samples.SpokenDigits;

/// <summary>Draws loss and accuracy of the training and of the test part over the epochs.</summary>
static class Curves
{
    /// <summary>Writes a PNG, all of it or nothing.</summary>
    public static void Draw(Result result, string path)
    {
        var plots = new Multiplot();
        plots.AddPlots(2);
        Fill(plots.GetPlot(0), result, "loss", 1);
        Fill(plots.GetPlot(1), result, "accuracy", 100);
        plots.GetPlot(0).Title($"{result.Name} on spoken digits");
        plots.GetPlot(1).YLabel("accuracy, %");
        plots.GetPlot(1).XLabel("epoch");
        Picture.Save(plots, path);
    }

    static void Fill(Plot plot, Result result, string name, double scale)
    {
        double[] epochs = [.. result.History.Select(log => (double)log.Epoch)];
        Add(name, "training, with noise", Color.FromHex("#9aa5c4"));
        Add($"val_{name}", "test, clean, averaged weights", Color.FromHex("#1f3b73"));
        plot.YLabel(name);
        plot.ShowLegend(name == "loss" ? Alignment.UpperRight : Alignment.LowerRight);

        void Add(string value, string legend, Color color)
        {
            var line = plot.Add.Scatter(epochs, result.History.Select(log => scale * log.Values[value]).ToArray());
            (line.LegendText, line.Color, line.LineWidth, line.MarkerSize) = (legend, color, 2, 0);
        }
    }
}
