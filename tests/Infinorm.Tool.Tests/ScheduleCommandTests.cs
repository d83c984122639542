using System.Globalization;
using System.Xml.Linq;
using Infinorm.Optimizers;
using Infinorm.Schedules;
using Infinorm.Tests.Checkpoints;
using Infinorm.Variables;

namespace Infinorm.Tool.Tests;

public sealed class ScheduleCommandTests : IDisposable
{
    const string Stairs = """{"class_name": "PiecewiseConstantDecay", "config": {"boundaries": [3], "values": [1.0, 0.0]}}""";

    readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ItIsDrawn()
    {
        string[] lines = Command.Succeed("schedule", Stairs, "--steps", "7").Output.Split('\n');
        Assert.Equal("PiecewiseConstantDecay, 7 steps", lines[0]);
        Assert.StartsWith("           1 ┤⠉⠉⠉", lines[1]);
        Assert.StartsWith("           0 ┤⠀⠀⠀", lines[16]);
        Assert.Matches("⣀⣀⣀$", lines[16]);
        Assert.Equal($"{"",13}└{new string('─', 66)}", lines[17]);
        Assert.Equal($"{"",14}0{7,65}", lines[18]);
        Assert.All(lines[..19], line => Assert.InRange(line.Length, 1, 80));

        int drop = lines[1].TrimEnd('⠀').Length - 14; // in cells of 66 for 7 steps: after the third
        Assert.InRange(drop, 66 * 3 / 7, (66 * 4 / 7) + 1);
    }

    [Fact]
    public void AConstantIsALineInTheMiddle()
    {
        string[] lines = Command.Succeed("schedule", """{"class_name": "Adamax", "config": {"learning_rate": 0.002}}""").Output.Split('\n');
        Assert.Equal("constant, 1250 steps", lines[0]);
        Assert.Equal(1, lines.Count(line => line.Contains('┤')));
        Assert.Matches("^       0.002 ┤[⠀-⣿]{66}$", lines[9]);
    }

    [Fact]
    public void APictureHasThePoints()
    {
        string path = _folder / "rate.svg";
        Assert.Equal("", Command.Succeed("schedule", Stairs, "--steps", "7", "--svg", path).Output);
        XElement svg = XElement.Load(path);
        Assert.Equal("http://www.w3.org/2000/svg", svg.Name.NamespaceName);
        double[][] points = [.. svg.Elements().Single(element => element.Name.LocalName == "polyline").Attribute("points")!.Value.Split(' ')
            .Select(point => Array.ConvertAll(point.Split(','), number => double.Parse(number, CultureInfo.InvariantCulture)))];
        Assert.Equal(8, points.Length); // steps 0 to 7
        Assert.Equal([40, 40, 40, 40, 370, 370, 370, 370], points.Select(point => point[1]));
        Assert.Equal((90, 780), (points[0][0], points[7][0]));
        Assert.Contains("PiecewiseConstantDecay: learning rate by step", svg.Value);
        Assert.Equal(["rate.svg"], _folder.Files);
    }

    [Theory]
    [InlineData("""{"class_name": "CosineDecay", "config": {"initial_learning_rate": 0.1, "decay_steps": 80, "warmup_target": 1.0, "warmup_steps": 20}}""", "CosineDecay, 125 steps")]
    [InlineData("""{"class_name": "ExponentialDecay", "config": {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5}}""", "ExponentialDecay, 40 steps")]
    [InlineData("""{"class_name": "PolynomialDecay", "config": {"initial_learning_rate": 0.1, "decay_steps": 10, "cycle": true}}""", "PolynomialDecay, 40 steps")]
    [InlineData(Stairs, "PiecewiseConstantDecay, 4 steps")]
    public void ItShowsWhatTheScheduleDoes(string config, string title) =>
        Assert.StartsWith(title + "\n", Command.Succeed("schedule", config).Output);

    [Fact]
    public void ItIsFoundInFilesAndOptimizers()
    {
        var optimizer = new LossScaleOptimizer(new Adamax(new CosineDecay(0.1, 8)));
        string config = _folder / "config.json", checkpoint = _folder / "a.safetensors";
        File.WriteAllText(config, optimizer.ToJson());
        optimizer.Build(new Variable<float>("x", new float[1]));
        optimizer.Save(checkpoint);
        foreach (string source in new[] { config, checkpoint, optimizer.ToJson() })
            Assert.StartsWith("CosineDecay, 10 steps\n", Command.Succeed("schedule", source).Output);
        Assert.StartsWith("ExponentialDecay, 12 steps\n", Command.Succeed("schedule", Command.Golden("dense_schedule_wd.keras")).Output);
    }

    [Fact]
    public void WhatCannotBeDrawnIsSaid()
    {
        Command.Fail("--steps: from 1 to 4503599627370496, found 0 (see: infinorm schedule --help)", "schedule", Stairs, "--steps", "0");
        Assert.StartsWith("infinorm: CONFIG: the text is not valid JSON: ", Command.Run("schedule", "{").Error);
        Command.Fail("learning rate schedule: no class 'Mine' in module 'keras.optimizers.schedules'; known are CosineDecay, CosineDecayRestarts, "
            + "ExponentialDecay, InverseTimeDecay, PiecewiseConstantDecay, PolynomialDecay. Others must be registered first.", "schedule", """{"class_name": "Mine", "config": {}}""");
        Command.Fail($"{Command.Golden("dense_float_lr.weights.h5")}: it has no settings of an optimizer", "schedule", Command.Golden("dense_float_lr.weights.h5"));
        Command wrong = Command.Run("schedule", """{"class_name": "CosineDecay", "config": {"initial_learning_rate": 0.1, "decay_steps": 0}}""");
        Assert.Equal(2, wrong.ExitCode);
        Assert.StartsWith("infinorm: CosineDecay: decaySteps must be a finite number > 0.", wrong.Error);
    }

    [Fact]
    public void WhatIsNotFiniteIsLeftOut() =>
        Assert.StartsWith("ExponentialDecay, 400 steps\n",
            Command.Succeed("schedule", """{"class_name": "ExponentialDecay", "config": {"initial_learning_rate": 0.1, "decay_steps": 1, "decay_rate": 10}}""", "--steps", "400").Output);
}
