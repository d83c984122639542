using System.Text.Json.Nodes;
using CsCheck;
using Infinorm.Tests.Checkpoints;
using Infinorm.Tests.Properties;
using Infinorm.Variables;

namespace Infinorm.Keras.Tests;

/// <summary>For every combination of settings and types: what is saved and loaded again goes on as if it had never been away.</summary>
public class RoundTripTests
{
    static readonly JsonObject Config = (JsonObject)JsonNode.Parse("""
        {"module": "keras", "class_name": "Sequential", "registered_name": null,
         "config": {"name": "model", "layers": [{"module": "mine", "class_name": "Mine", "config": {"name": "layer"}}]}}
        """)!;

    [Fact]
    public void AnArchiveMadeFromNothing() => Gen.Select(Settings.Any, Model.Any, Gen.Bool).Sample((settings, model, isArchive) =>
    {
        KerasArchive archive = KerasArchive.Create(
            model.MakeVariables().Select((variable, i) => KeyValuePair.Create($"layers/mine/vars/{i}", variable.ToNdArray())),
            new Dictionary<string, string> { ["layers/mine/vars"] = "layer", ["layers/flatten/vars"] = "flat", ["vars"] = "model" },
            (JsonObject)Config.DeepClone());
        Assert.Equal(model.Types, archive.TrainableVariables.Select(variable => variable.DType));
        Check(archive, settings.Create(), model, isArchive);
    }, iter: 300);

    [Fact]
    public void AnotherOptimizerInAnArchiveOfKeras() => Gen.Select(Settings.Any, Gen.Int[0, 1000], Gen.Bool).Sample((settings, seed, isArchive) =>
    {
        KerasArchive archive = GoldenFile.Load("conv_ema").Open("conv_ema.keras");
        Variable[] trained = [.. archive.TrainableVariables];
        var model = new Model([.. trained.Select(v => v.DType)], [.. trained.Select(v => v.Length)], seed);
        Check(archive, settings.Create(), model, isArchive);
    }, iter: 100);

    // Steps, saves (the HDF5 file is written anew), loads, steps both, saves (in place), loads.
    static void Check(KerasArchive archive, Optimizer optimizer, Model model, bool isArchive)
    {
        using var folder = new TemporaryFolder();
        string path = folder / (isArchive ? "model.keras" : "model.weights.h5");
        optimizer.Build(archive.TrainableVariables);
        archive.Optimizer = optimizer;
        for (int step = 0; step < 3; step++)
            optimizer.Apply(model.MakeGradients(step));
        archive.Save(path);

        KerasArchive again = Open();
        Optimizer loaded = isArchive ? again.LoadOptimizer() : again.LoadOptimizer(Optimizer.FromConfig(optimizer.GetConfig()));
        Assert.Equal(optimizer.ToJson(), loaded.ToJson());
        Assert.Equal(archive.Locations.Order(), again.Locations.Order());
        Assert.Equal(archive.GroupNames.OrderBy(name => name.Key), again.GroupNames.OrderBy(name => name.Key));
        AssertSame();

        optimizer.Apply(model.MakeGradients(3));
        loaded.Apply(model.MakeGradients(3));
        AssertSame();

        long size = new FileInfo(path).Length;
        again.Save(path);
        again = Open();
        loaded = isArchive ? again.LoadOptimizer() : again.LoadOptimizer(Optimizer.FromConfig(optimizer.GetConfig()));
        AssertSame();
        if (!isArchive)
            Assert.Equal(size, new FileInfo(path).Length);

        KerasArchive Open() => KerasArchive.Open(path, isArchive ? null : archive.ModelConfig);

        void AssertSame()
        {
            foreach (var (expected, actual) in archive.Weights.Zip(again.Weights, (a, b) => (a.Variable, b.Variable))
                .Concat(optimizer.Variables.Zip(loaded.Variables)))
            {
                Assert.Equal(expected.ToString(), actual.ToString());
                Assert.True(expected.ToNdArray().Bytes.SequenceEqual(actual.ToNdArray().Bytes), expected.Path);
            }

            Assert.Equal(archive.Weights.Count, again.Weights.Count);
            Assert.Equal(optimizer.Variables.Count, loaded.Variables.Count);
        }
    }
}
