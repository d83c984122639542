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
            // snippet
            var archive = KerasArchive.Open(file); // trained in Python
            Optimizer optimizer = archive.LoadOptimizer(); // with its settings and state

            optimizer.Apply(GradientsOf(archive.TrainableVariables)); // yours
            optimizer.Save(checkpoint, keep: 3); // one .safetensors file, replaced as a whole
            archive.Save(file); // goes on in Keras

            optimizer = Optimizer.Load(checkpoint, archive.TrainableVariables);
            // end
            Assert.Equal(KerasArchive.Open(file).LoadOptimizer().Iterations, optimizer.Iterations);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    static Gradient[] GradientsOf(IReadOnlyList<Variable> variables) => [.. variables.Select(v => (Gradient)new float[v.Length])];
}
