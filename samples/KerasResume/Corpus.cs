using System.Collections;
using Infinorm.Samples.Speech;
using Infinorm.Torch.Training;
using static TorchSharp.torch;

namespace Infinorm.Samples.KerasResume;

/// <summary>
/// The recordings, divided as make_model.py divides them, and the batches made of them, with the channels last as Keras has them.
/// </summary>
sealed class Corpus
{
    const int BatchSize = 32;

    readonly Recording[] _train, _test;
    readonly FeatureExtractor _features, _testFeatures;

    public Corpus(IReadOnlyList<Recording> recordings, int seed)
    {
        // Every fifth voice is for the test.
        string[] speakers = [.. recordings.Select(recording => recording.Speaker).Distinct().Order(StringComparer.Ordinal)];
        bool[] isTest = [.. recordings.Select(recording => Array.IndexOf(speakers, recording.Speaker) % 5 == 0)];
        _train = [.. recordings.Where((_, i) => !isTest[i])];
        _test = [.. recordings.Where((_, i) => isTest[i])];

        // Noise of its own for the test, so that none of it was heard in training.
        var random = new Random(seed);
        _features = new FeatureExtractor(new NoiseBank(_train, random));
        _testFeatures = new FeatureExtractor(new NoiseBank(_test, random));
    }

    public int TrainCount => _train.Length;

    public int TestCount => _test.Length;

    /// <summary>An epoch under noise that changes from batch to batch. Every other example is clean.</summary>
    public IReadOnlyCollection<Batch> Noisy => new Batches(this, [.. NoiseCondition.Noisy(0, 5, 10)]);

    /// <summary>An epoch of clean speech.</summary>
    public IReadOnlyCollection<Batch> Clean => new Batches(this, [new(NoiseKind.Clean)]);

    /// <summary>The test part under a noise.</summary>
    public (Tensor Input, Tensor Target) TestUnder(NoiseCondition condition) =>
        Tensors(_testFeatures, [.. _test.Select((recording, i) => new Hearing(recording, condition, i))]);

    static (Tensor Input, Tensor Target) Tensors(FeatureExtractor extractor, Hearing[] batch)
    {
        var features = new float[batch.Length * FeatureExtractor.Features];
        extractor.ExtractAll(batch, maxShift: 0, features);
        return (
            tensor(features, [batch.Length, LogMel.Frames, LogMel.Bands, 1]),
            tensor(Array.ConvertAll(batch, hearing => (long)hearing.Recording.Digit)));
    }

    // Another order and another noise in each epoch, which follow from torch's generator.
    sealed class Batches(Corpus corpus, NoiseCondition[] noises) : IReadOnlyCollection<Batch>
    {
        public int Count => (corpus._train.Length + BatchSize - 1) / BatchSize;

        public IEnumerator<Batch> GetEnumerator()
        {
            using Tensor seed = randint(0, int.MaxValue, [1]);
            var random = new Random((int)seed.data<long>()[0]);
            Recording[] order = [.. corpus._train];
            random.Shuffle(order);
            foreach (Recording[] batch in order.Chunk(BatchSize))
            {
                NoiseCondition noise = noises[random.Next(noises.Length)];
                yield return Tensors(corpus._features, [.. batch.Select((recording, i) => new Hearing(
                    recording, i % 2 == 0 ? new(NoiseKind.Clean) : noise, random.Next()))]);
            }
        }

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
