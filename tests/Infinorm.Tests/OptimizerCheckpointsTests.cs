using CsCheck;
using Infinorm.Checkpoints;
using Infinorm.Optimizers;
using Infinorm.Tests.Checkpoints;
using Infinorm.Tests.Properties;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests;

public sealed class OptimizerCheckpointsTests : IDisposable
{
    const int Steps = 6;

    readonly TemporaryFolder _folder = new();
    readonly string _path;

    public OptimizerCheckpointsTests() => _path = _folder / "state.safetensors";

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ARunSavedAndLoadedAnywhereGoesOnWithTheSameBitsWhateverItsSettings() =>
        Gen.Select(Settings.OfAll, Model.Any, Gen.Int[0, Steps], Gen.Bool).Sample((settings, model, saveAt, restores) =>
        {
            string path = _folder / Guid.NewGuid().ToString();
            Variable[] variables = model.MakeVariables(), copies = model.MakeVariables();
            Optimizer straight = Built(settings, variables), interrupted = Built(settings, copies);
            // A global norm's sum rounds by the order of the variables, and Nadam's product has the type of the first.
            bool reverses = !restores && settings.Clip != Clip.GlobalNorm && settings.Variant != "Nadam";
            for (int step = 0; step < Steps; step++)
            {
                if (step == saveAt)
                {
                    interrupted.Save(path);
                    copies = new Model(model.Types, model.Lengths, model.Seed + 1).MakeVariables(); // other values
                    interrupted = restores ? Built(settings, copies) : Optimizer.Load(path, reverses ? copies.Reverse() : copies);
                    if (restores)
                        interrupted.Restore(path);
                    File.Delete(path);
                }

                Gradient[] gradients = model.MakeGradients(step);
                straight.Apply(gradients);
                interrupted.Apply(interrupted.TrainableVariables[0] == copies[0] ? gradients : [.. gradients.Reverse()]);
            }

            // Built in Apply or Build, an inner optimizer's slots have other paths; the states compare by what they are.
            Assert.Equal(StateOf.All(straight), StateOf.All(interrupted));
            Assert.Equal(straight.ToJson(), interrupted.ToJson());
        });

    [Fact]
    public void ADiskThatIsFullAfterAnyNumberOfBytesLeavesTheFormerFile()
    {
        Optimizer optimizer = Built(Settings.AllElementwise, [new Variable<float>("w", new float[] { 1, 2, 3 })]);
        optimizer.Save(_path);
        byte[] former = File.ReadAllBytes(_path);
        optimizer.Apply([new float[] { 1, 2, 3 }]);
        for (int bytes = 0; bytes < former.Length; bytes++)
        {
            Assert.Throws<IOException>(() => AtomicFile.Write(
                _path, stream => CheckpointFile.Write(optimizer, new FailingStream(stream, bytes), includeVariables: true)));
            Assert.Equal(former, File.ReadAllBytes(_path));
            Assert.Equal(["state.safetensors"], _folder.Files);
        }

        optimizer.Save(_path);
        Assert.NotEqual(former, File.ReadAllBytes(_path));
    }

    [Fact]
    public void KeepKeepsFormerStates()
    {
        Optimizer optimizer = Built(new Settings(), [new Variable<float>("w", new float[1])]);
        for (int save = 0; save < 4; save++)
        {
            optimizer.Save(_path, keep: 2);
            optimizer.Apply([new float[1]]);
        }

        foreach ((string file, int iterations) in new[] { ("", 3), (".1", 2), (".2", 1) })
            Assert.Equal(iterations, Optimizer.Load(_path + file, [new Variable<float>("w", new float[1])]).Iterations);
    }

    [Fact]
    public void TheSameStateGivesTheSameBytes()
    {
        Optimizer optimizer = Built(Settings.AllElementwise, [new Variable<float>("w", new float[1])]);
        optimizer.Save(_path, includeVariables: false);
        byte[] file = File.ReadAllBytes(_path);
        optimizer.Save(_path, includeVariables: false);
        Assert.Equal(file, File.ReadAllBytes(_path));
        Assert.DoesNotContain("variables/w", new PlainSafetensors(file).Names);
    }

    [Fact]
    public void AnOptimizerThatIsNotBuiltIsRefused()
    {
        var adamax = new Adamax { Name = "a" };
        Refusal.Is<InvalidOperationException>(
            "a is not built, so it has no slots to save. Call Build with the variables first.", () => adamax.Save(_path));
        Refusal.Is<InvalidOperationException>(
            "a is not built, so it has no slots to load into. Call Build with the variables first.", () => adamax.Restore(_path));
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void AveragesInTheVariablesAreNotSavedAsTheirValues()
    {
        var adamax = new Adamax { Name = "a", UseEma = true };
        adamax.Build(new Variable<float>("w", new float[1]));
        adamax.Apply([new float[] { 1 }]);
        using (adamax.UseAverages())
        {
            Refusal.Is<InvalidOperationException>(
                "a is in use: by another thread, or because its averages are in the variables.", () => adamax.Save(_path));
        }

        adamax.Save(_path);
        using (adamax.UseAverages())
            Assert.Throws<InvalidOperationException>(() => adamax.Restore(_path));
    }

    [Fact]
    public void FilesThatAreMissingOrNotCheckpointsAreErrors()
    {
        Variable[] variables = [new Variable<float>("w", new float[1])];
        Assert.Throws<FileNotFoundException>(() => Optimizer.Load(_path, variables));
        Assert.Throws<ArgumentNullException>("variables", () => Optimizer.Load(_path, [null!]));
        File.WriteAllText(_path, "not a checkpoint");
        Assert.StartsWith(_path + ": ", Assert.Throws<InvalidFileException>(() => Optimizer.Load(_path, variables)).Message);
        Assert.Throws<InvalidFileException>(() => Built(new Settings(), variables).Restore(_path));
    }

    [Fact]
    public void TheModelsTypesAndEmptyVariablesSurvive()
    {
        var model = new Model([DType.Float16, DType.BFloat16, DType.Float32, DType.Float64], [3, 0, 5, 2], 7);
        Optimizer optimizer = Built(Settings.AllElementwise with { HasDynamicScale = true }, model.MakeVariables());
        optimizer.Apply(model.MakeGradients(0));
        optimizer.Save(_path);
        var plain = new PlainSafetensors(File.ReadAllBytes(_path));
        Assert.Equal(["F16", "BF16", "F32", "F64"], Enumerable.Range(0, 4).Select(i => plain[$"variables/layer/{i}"].DType));
        Assert.Empty(plain["variables/layer/1"].Bytes);
        Assert.Equal(StateOf.All(optimizer), StateOf.All(Optimizer.Load(_path, model.MakeVariables())));
    }

    static Optimizer Built(Settings settings, Variable[] variables)
    {
        Optimizer optimizer = settings.Create();
        optimizer.Build(variables);
        return optimizer;
    }
}
