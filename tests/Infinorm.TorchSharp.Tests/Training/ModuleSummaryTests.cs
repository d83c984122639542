using Infinorm.Torch.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

/// <summary>The table of a module's parts.</summary>
public sealed class ModuleSummaryTests
{
    [Fact]
    public void PartsAreListedWithTheirParameters()
    {
        using var model = nn.Sequential(("in", nn.Linear(4, 1200)), ("relu", nn.ReLU()), ("rest", nn.Sequential(("out", nn.Linear(1200, 3)))));
        model.get_parameter("in.bias")!.requires_grad = false;
        Assert.Equal(
            """
            Part (type)          Parameters
            ───────────────────  ──────────
            Sequential                    0
              in (Linear)             6,000
              relu (ReLU)                 0
              rest (Sequential)           0
                out (Linear)          3,603
            ───────────────────  ──────────
            Total: 9,603 parameters, 37.5 KiB
            Trainable: 8,403
            Frozen: 1,200
            """.ReplaceLineEndings(),
            model.Summary());
    }

    [Fact]
    public void ShapesAreThoseOfAnInput()
    {
        using var model = nn.Sequential(("conv", nn.Conv2d(1, 8, 3)), ("drop", nn.Dropout(0.5)), ("flat", nn.Flatten()), ("out", nn.Linear(288, 3)));
        string[] lines = model.Summary([2, 1, 8, 8]).Split(Environment.NewLine);
        Assert.Equal(["Part", "(type)", "Output", "shape", "Parameters"], lines[0].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("[2, 8, 6, 6]", lines[3]);
        Assert.EndsWith("80", lines[3]);
        Assert.Contains("[2, 288]", lines[5]);
        Assert.Contains("[2, 3]", lines[2]);
        Assert.True(model.training);
        using var linear = nn.Linear(4, 3);
        Assert.StartsWith(
            "The model cannot take an input of shape [2, 7]", Assert.Throws<ArgumentException>(() => linear.Summary([2, 7])).Message);
        Assert.Throws<ArgumentException>(() => model.Summary([]));
        Assert.Throws<ArgumentException>(() => model.Summary([-1, 4]));
        Assert.Equal(lines, model.Summary([2, 1, 8, 8]).Split(Environment.NewLine));
    }

    [Fact]
    public void WhatIsSharedCountsOnce()
    {
        using var model = new Tied();
        Assert.Contains("Total: 20 parameters", model.Summary());
    }

    sealed class Tied : nn.Module
    {
        readonly Linear _one = nn.Linear(4, 4);
        readonly ModuleList<nn.Module> _list;

        public Tied()
            : base("tied")
        {
            _list = nn.ModuleList<nn.Module>(_one);
            RegisterComponents();
        }
    }
}
