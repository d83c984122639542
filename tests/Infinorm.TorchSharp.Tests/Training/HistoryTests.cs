using System.Globalization;
using System.Xml.Linq;
using Infinorm.Torch.Training;

namespace Infinorm.Torch.Tests.Training;

/// <summary>A history as text and as a picture.</summary>
[Collection(nameof(Alone))]
public sealed class HistoryTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory().FullName;
    readonly Problem _problem = new();

    [Fact]
    public void PrintsItself()
    {
        History history = Fit(epochs: 3, every: 2);
        string[] lines = history.ToString().Split(Environment.NewLine);
        Assert.Equal(
            ["epoch", "seconds", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"],
            lines[0].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(6, lines.Length);
        Assert.Equal([5, 7, 5], lines[2..5].Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length));
        Assert.Equal(history["val_loss"][1].ToString("G4", CultureInfo.InvariantCulture), lines[3].Split(' ', StringSplitOptions.RemoveEmptyEntries)[4]);
        Assert.All(lines[2..5], line => Assert.Equal(lines[0].Length, line.Length));
        Assert.Equal("3 epochs, 27 steps", lines[5]);
        Assert.Equal(lines[..5], history.Table().Split(Environment.NewLine));
    }

    [Fact]
    public void AHistoryOfManyEpochsIsShort()
    {
        History history = _problem.Trainer.Fit(_problem.Data, 40, new() { StepsPerEpoch = 1 });
        string[] lines = history.ToString().Split(Environment.NewLine);
        Assert.Equal(2 + 31 + 1, lines.Length);
        Assert.StartsWith("   15 ", lines[16]);
        Assert.StartsWith("    … ", lines[17]);
        Assert.StartsWith("   26 ", lines[18]);
        Assert.Equal(42, history.Table().Split(Environment.NewLine).Length);
    }

    [Fact]
    public void DrawsItself()
    {
        History history = Fit(epochs: 4, every: 2);
        string path = Path.Combine(_folder, "run.svg");
        history.SaveChart(path);
        XElement svg = XElement.Load(path);
        Assert.Contains("loss, val_loss by epoch", svg.Value);
        Assert.Equal(4, Assert.Single(svg.Elements(), element => element.Name.LocalName == "polyline").Attribute("points")!.Value.Split(' ').Length);
        Assert.Equal(2, svg.Elements().Count(element => element.Name.LocalName == "circle")); // validations with none beside them
        Assert.Equal(["loss", "val_loss"], svg.Elements().Where(element => element.Attribute("fill")?.Value[0] == '#' && element.Name.LocalName == "text")
            .Select(element => element.Value));

        using var stream = new MemoryStream();
        history.WriteChart(stream, "accuracy");
        stream.Position = 0;
        svg = XElement.Load(stream);
        Assert.Contains("accuracy by epoch", svg.Value);
        double[] heights = [.. svg.Elements().Single(element => element.Name.LocalName == "polyline").Attribute("points")!.Value.Split(' ')
            .Select(point => double.Parse(point.Split(',')[1], CultureInfo.InvariantCulture))];
        double least = history["accuracy"].Min(), most = history["accuracy"].Max();
        Assert.Equal(history["accuracy"].Select(value => Math.Round(370 - (330 * (value - least) / (most - least)), 1)), heights.Select(y => Math.Round(y, 1)));
    }

    [Fact]
    public void WhatCannotBeDrawnIsSaid()
    {
        History history = Fit(epochs: 1, every: 1);
        Assert.Throws<ArgumentException>(() => history.SaveChart(Path.Combine(_folder, "run.png")));
        Assert.StartsWith(
            "The history has no 'f1'; it has loss, accuracy, val_loss,",
            Assert.Throws<KeyNotFoundException>(() => history.SaveChart(Path.Combine(_folder, "run.svg"), "f1")).Message);
        Assert.Empty(Directory.GetFiles(_folder));
        Assert.Throws<InvalidOperationException>(() => new History().WriteChart(Stream.Null));
        Assert.Equal("0 epochs, 0 steps", new History().ToString());
    }

    public void Dispose()
    {
        _problem.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    History Fit(int epochs, int every) =>
        _problem.Trainer.Fit(_problem.Data, epochs, new() { ValidationData = _problem.Data, ValidateEvery = every });
}
