using Infinorm.Tests.Checkpoints;
using Infinorm.Variables;

namespace Infinorm.Tool.Tests;

/// <summary>Files of training runs: their history is a table, and its seconds are no difference.</summary>
public sealed class RunFileTests : IDisposable
{
    const string State = """{"Seed": 7, "Epoch": 2, "Columns": ["loss", "val_loss"]}""";

    readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void SecondsAreNoDifference()
    {
        Write("a", [10, 1.25, 0.5, 0.75, 10, 1.5, 0.25, 0.5]);
        Write("b", [10, 99, 0.5, 0.75, 10, 0.1, 0.25, 0.5]);
        Write("c", [10, 1.25, 0.5, 0.75, 10, 1.5, 0.25, 0.625]);
        Assert.Equal("", Command.Succeed("diff", Of("a"), Of("b")).Output);
        Command differs = Command.Run("diff", Of("a"), Of("c"));
        Assert.Equal(1, differs.ExitCode);
        Assert.StartsWith("run/history", differs.Rows[1][0]);
    }

    [Fact]
    public void TheHistoryIsATableAndTheStateIsRows()
    {
        Write("a", [10, 1.25, 0.5, 0.75, 10, 1.5, 0.25, 0.5]);
        string[][] rows = Command.Succeed("inspect", Of("a")).Rows;
        Assert.Contains(rows, row => row is ["run Seed", "7"]);
        Assert.Contains(rows, row => row is ["epoch", "batches", "seconds", "loss", "val_loss"]);
        Assert.Contains(rows, row => row is ["2", "10", "1.5", "0.25", "0.5"]);
    }

    [Fact]
    public void EpochsOfARunThatBeganLaterHaveTheirNumbers()
    {
        const string state = """{"InitialEpoch": 7, "Epoch": 9, "Columns": ["loss", "val_loss"]}""";
        Write("a", [10, 1.25, 0.5, 0.75, 10, 1.5, 0.25, 0.5], state);
        string[][] rows = Command.Succeed("inspect", Of("a")).Rows;
        Assert.Contains(rows, row => row is ["8", "10", "1.25", "0.5", "0.75"]);
        Assert.Contains(rows, row => row is ["9", "10", "1.5", "0.25", "0.5"]);
    }

    [Fact]
    public void WhatOnlyLooksLikeOneIsShownAsATensor()
    {
        Command.WriteSafetensors(Of("a"), [("run/history", NdArray.Create(new double[8], 2, 4))], new KeyValuePair<string, string>("run", "[1"));
        Assert.Contains(Command.Succeed("inspect", Of("a")).Rows, row => row[0] == "run" && row[1] == "[1");
    }

    string Of(string name) => _folder / $"{name}.safetensors";

    void Write(string name, double[] history, string state = State) => Command.WriteSafetensors(
        Of(name), [("run/history", NdArray.Create(history, 2, 4))], new KeyValuePair<string, string>("run", state));
}
