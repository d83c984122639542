using System.Collections;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>TorchSharp's data loaders as what <see cref="Trainer"/> trains with: batches of inputs and targets.</summary>
public static class DataLoaders
{
    /// <summary>The batches of a loader over a <c>TensorDataset</c> or another <c>IterableDataset</c>.</summary>
    /// <param name="loader">A loader whose batches are lists of an input and a target.</param>
    public static IReadOnlyCollection<Batch> Pairs(this DataLoader<IList<Tensor>, IList<Tensor>> loader)
    {
        ArgumentNullException.ThrowIfNull(loader);
        return new LoaderPairs(loader.Count, loader.Select(batch => batch.Count == 2
            ? new Batch(batch[0], batch[1])
            : throw new ArgumentException($"A batch of the loader has {batch.Count} tensors; it needs two, the input and the target.")));
    }

    /// <summary>The batches of a loader over a <c>Dataset</c> with named tensors.</summary>
    /// <param name="loader">The loader.</param>
    /// <param name="input">The input's name; the default is that of torchvision's data sets.</param>
    /// <param name="target">The target's name; likewise.</param>
    public static IReadOnlyCollection<Batch> Pairs(
        this DataLoader<Dictionary<string, Tensor>, Dictionary<string, Tensor>> loader, string input = "data", string target = "label")
    {
        ArgumentNullException.ThrowIfNull(loader);
        return new LoaderPairs(loader.Count, loader.Select(batch => new Batch(Named(batch, input), Named(batch, target))));
    }

    static Tensor Named(Dictionary<string, Tensor> batch, string name) => batch.TryGetValue(name, out Tensor? tensor)
        ? tensor
        : throw new ArgumentException($"A batch of the loader has no tensor '{name}'; it has {string.Join(", ", batch.Keys)}.");

    sealed class LoaderPairs(long count, IEnumerable<Batch> pairs) : IReadOnlyCollection<Batch>
    {
        public int Count => checked((int)count);

        public IEnumerator<Batch> GetEnumerator() => pairs.GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
