using Infinorm.Torch.Training;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Tests;

/// <summary>The README's example.</summary>
public sealed class ReadmeTests
{
    [Fact]
    public void ItsExampleTrainsOn()
    {
        using var scope = NewDisposeScope();
        string file = Path.Combine(Directory.CreateTempSubdirectory().FullName, "digits.keras");
        try
        {
            File.Copy(GoldenModel.Read("mlp").Archive, file);
            TrainOn(file, rand(64, 6), randint(0, 3, [64]));
            Assert.Equal(2 + (3 * 2), KerasArchive.Open(file).LoadOptimizer().Iterations);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
        }

        // snippet
        static void TrainOn(string file, Tensor images, Tensor labels) // such as "digits.keras", trained in Python
        {
            using var model = KerasModel.Open(file); // the network, and its optimizer with state, loss and metrics
            using Tensor probabilities = model.Predict(images);
            History history = model.Fit(images, labels, batchSize: 32, epochs: 3);
            Console.WriteLine($"loss {history["loss"][0]:F3} → {history["loss"][^1]:F3}");
            model.Save(file); // Python can continue from it
        }
        // end
    }
}
