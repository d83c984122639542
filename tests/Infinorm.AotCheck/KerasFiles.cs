using System.Runtime.CompilerServices;
using Infinorm.Keras;
using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.AotCheck;

/// <summary>Archives that Keras saved go on training and are saved where they lie. To write one anew is refused ahead of time.</summary>
static class KerasFiles
{
    /// <summary>Each archive's name, and what its variables are after two more steps, with a file in between.</summary>
    public static IEnumerable<(string Name, IEnumerable<Variable> Variables)> Resumed()
    {
        string path = Path.Combine(Path.GetTempPath(), $"{Path.GetRandomFileName()}.keras");
        foreach (string file in Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Golden")).Order(StringComparer.Ordinal))
        {
            KerasArchive archive = Open(file);
            Step(archive);
            archive.Save(path);
            KerasArchive again = Open(path);
            Step(again);
            yield return (Path.GetFileName(file), again.TrainableVariables.Concat(again.Optimizer!.Variables));
            RequireRefusal(archive, path);
        }

        File.Delete(path);
    }

    static KerasArchive Open(string path)
    {
        KerasArchive archive = KerasArchive.Open(path);
        archive.LoadOptimizer();
        return archive;
    }

    static void Step(KerasArchive archive) => archive.Optimizer!.Apply(
        [.. archive.TrainableVariables.Select(variable => (Gradient)Enumerable.Repeat(0.5f, variable.Length).ToArray())]);

    // Another optimizer has other variables, so the HDF5 file must be written anew.
    static void RequireRefusal(KerasArchive archive, string path)
    {
        var other = new Adamax { Name = "other", UseEma = true, GradientAccumulationSteps = 3 };
        other.Build(archive.TrainableVariables);
        archive.Optimizer = other;
        byte[] before = File.ReadAllBytes(path);
        bool isRefused = false;
        try
        {
            archive.Save(path);
        }
        catch (NotSupportedException)
        {
            isRefused = true;
        }

        if (isRefused == RuntimeFeature.IsDynamicCodeSupported || (isRefused && !File.ReadAllBytes(path).SequenceEqual(before)))
            throw new InvalidOperationException("Writing an archive anew was not refused, or left something behind.");
    }
}
