using ScottPlot;

namespace Infinorm.Samples.NoisySpeech;

/// <summary>One optimizer at one rate, with several seeds. Each seed draws other speakers for the test, another network and other noise.</summary>
sealed record SweepPoint(Choice Choice, float Untuned, IReadOnlyList<Run> Runs)
{
    /// <summary>Right answers in noise over the seeds, averaged weights, in per cent.</summary>
    public IEnumerable<double> Noisy => Runs.Select(run => run.NoisyAveraged);

    /// <summary>Right answers on clean speech over the seeds, averaged weights, in per cent.</summary>
    public IEnumerable<double> Clean => Runs.Select(run => run.Clean.Averaged);

    /// <summary>How many points of accuracy a change of the noise costs for a while, over the seeds.</summary>
    public IEnumerable<double> Dip => Runs.Select(DipOf);

    /// <summary>The accuracy on the batches of the last half of a phase, less that of the ten batches after the change to it; the mean over all changes.</summary>
    static double DipOf(Run run)
    {
        const int After = 10;
        int length = run.Course.PhaseLength;
        var dips = new List<double>();
        for (int start = length; start + length <= run.History.Count; start += length)
            dips.Add(Accuracy(start + length / 2, start + length) - Accuracy(start, start + Math.Min(After, length)));
        return dips.Count == 0 ? 0 : dips.Average();

        double Accuracy(int from, int to) => 100.0 * Enumerable.Range(from, to - from).Average(step => run.History[step].Accuracy);
    }
}

/// <summary>How much three optimizers depend on their learning rates: each at multiples of its default rate.</summary>
static class Sweep
{
    /// <summary>What a rate is multiplied by. Two neighbours differ by a factor of about three.</summary>
    static readonly float[] Factors = [0.1f, 0.3f, 1, 3, 10, 30];

    /// <summary>Trains every optimizer of <c>--compare</c> at every rate with every seed.</summary>
    /// <param name="train">Trains with an optimizer and a seed, counted from 0.</param>
    /// <param name="seeds">How many seeds, ≥ 1.</param>
    public static IReadOnlyList<SweepPoint> Of(Func<Choice, int, Run> train, int seeds) =>
    [
        .. from name in Choice.Compared.Select(choice => choice.Name)
           let untuned = Choice.Untuned(name)
           from factor in Factors
           let choice = untuned with { Rate = factor * untuned.Rate }
           select new SweepPoint(choice, untuned.Rate, [.. Enumerable.Range(0, seeds).Select(seed => train(choice, seed))]),
    ];

    /// <summary>Draws the accuracy in noise over the rates: the mean of the seeds, and from the worst to the best. Writes a PNG.</summary>
    public static void Draw(IReadOnlyList<SweepPoint> points, string path)
    {
        Color[] colors = [Color.FromHex("#14265c"), Color.FromHex("#c4572e"), Color.FromHex("#3d8f5f")];
        var plots = new Multiplot();
        Plot plot = plots.GetPlot(0);
        foreach ((int number, IGrouping<string, SweepPoint> optimizer) in points.GroupBy(point => point.Choice.Name).Index())
        {
            double[] rates = [.. optimizer.Select(point => Math.Log10(point.Choice.Rate / point.Untuned))];
            var band = plot.Add.FillY(rates, [.. optimizer.Select(point => point.Noisy.Min())], [.. optimizer.Select(point => point.Noisy.Max())]);
            band.FillColor = colors[number % colors.Length].WithAlpha(0.15);
            band.LineColor = Colors.Transparent;
            var line = plot.Add.Scatter(rates, [.. optimizer.Select(point => point.Noisy.Average())], colors[number % colors.Length]);
            line.LegendText = $"{optimizer.Key}, default rate {FormattableString.Invariant($"{optimizer.First().Untuned}")}";
            line.LineWidth = 2;
        }

        plot.Title("Accuracy in noise at rates around each optimizer's default");
        plot.YLabel("accuracy on unheard speakers, %");
        plot.XLabel("learning rate ÷ the default rate");
        plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericManual(
            [.. Factors.Select(factor => Math.Log10(factor))], [.. Factors.Select(factor => FormattableString.Invariant($"{factor}"))]);
        plot.ShowLegend(Alignment.LowerLeft);
        Picture.Save(plots, path);
    }
}
