using Infinorm.Variables;

namespace Infinorm.Keras.Tests;

/// <summary>The README's example of a Keras archive.</summary>
public sealed class ReadmeTests
{
    [Fact]
    public void ItsExampleResumes()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        string file = Path.Combine(folder, "model.keras"), checkpoint = Path.Combine(folder, "run.safetensors");
        File.Copy(Path.Combine(GoldenFile.Folder, "dense_float_lr.keras"), file);
        try
        {
            Continue(file, checkpoint);
            Optimizer optimizer = Optimizer.Load(checkpoint, KerasArchive.Open(file).TrainableVariables);
            Assert.Equal(5, optimizer.Iterations);
            Assert.Equal(5, KerasArchive.Open(file).LoadOptimizer().Iterations);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // snippet
    static void Continue(string file, string checkpoint) // such as "model.keras", trained in Python, and "run.safetensors"
    {
        var archive = KerasArchive.Open(file);
        Optimizer optimizer = archive.LoadOptimizer(); // with its settings and its state

        Gradient[] gradients = [.. archive.TrainableVariables.Select(v => (Gradient)new float[v.Length])]; // yours
        optimizer.Apply(gradients);

        optimizer.Save(checkpoint, keep: 3); // Optimizer.Load(checkpoint, archive.TrainableVariables) reads it
        archive.Save(file); // keras.saving.load_model continues from here
    }
    // end
}
