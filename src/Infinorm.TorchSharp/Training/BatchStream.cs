using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>Where batches come from, read the same way whether they come at once or later.</summary>
static class BatchStream
{
    /// <summary>
    /// A sequence as a stream that never waits. Tensors of a batch that were created when the batch was requested are disposed after its use.
    /// Tensors that existed before, as in a list, stay. The sequence may still need other tensors that it created, so they are freed once
    /// nothing refers to them.
    /// </summary>
    public static async IAsyncEnumerable<T> Of<T>(IEnumerable<T> sequence, Func<T, IEnumerable<Tensor>> tensors)
    {
        await Task.CompletedTask; // an iterator without an await is a warning
        using IEnumerator<T> items = sequence.GetEnumerator();
        while (true)
        {
            T item;
            List<Tensor> made;
            using (DisposeScope scope = NewDisposeScope())
            {
                if (!items.MoveNext())
                    yield break;
                item = items.Current;
                made = [.. tensors(item).Where(tensor => scope.Contains(tensor))];
                NativeMemoryPressure.Add(scope.DisposablesView.OfType<Tensor>().Except(made));
                scope.Detach(scope.DisposablesView); // some are the sequence's own
            }

            try
            {
                yield return item;
            }
            finally
            {
                made.ForEach(tensor => tensor.Dispose());
            }
        }
    }

    /// <summary>
    /// A stream whose source disposes its batches. Other tensors that the source creates, on any thread, belong to no scope of the caller, so
    /// they are freed once nothing refers to them.
    /// </summary>
    public static async IAsyncEnumerable<T> Of<T>(
        IAsyncEnumerable<T> stream, Func<T, IEnumerable<Tensor>> tensors, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        IAsyncEnumerator<T> items = stream.GetAsyncEnumerator(cancellationToken);
        await using var _ = items.ConfigureAwait(false);
        while (await Next().ConfigureAwait(false))
        {
            yield return items.Current;
            NativeMemoryPressure.AddGiven(tensors(items.Current));
        }

        // The part before the first wait runs here.
        ValueTask<bool> Next()
        {
            using DisposeScope scope = NewDisposeScope();
            try
            {
                return items.MoveNextAsync();
            }
            finally
            {
                scope.Detach(scope.DisposablesView);
            }
        }
    }

    public static IAsyncEnumerable<Batch> Of(IEnumerable<Batch> batches) => Of(batches, batch => batch.Tensors);

    public static IAsyncEnumerable<Batch> Of(IAsyncEnumerable<Batch> batches) => Of(batches, batch => batch.Tensors);
}
