using System.Collections;
using Infinorm.Samples.Speech;
using Infinorm.Torch.Training;
using static TorchSharp.torch;

namespace Infinorm.Samples.SpokenDigits;

/// <summary>The recordings, divided, and the batches made of them. What is random in a batch follows from torch's generator.</summary>
sealed class Corpus
{
    const int BatchSize = 32;

    readonly Recording[] _train, _test;
    readonly FeatureExtractor _features, _testFeatures;

    public Corpus(IReadOnlyList<Recording> recordings, SplitBy split, int seed)
    {
        var random = new Random(seed);
        (_train, _test) = SpeechSet.Split(recordings, split, random);

        // Noise of its own for the test, so that none of it was heard in training.
        _features = new FeatureExtractor(new NoiseBank(_train, random));
        _testFeatures = new FeatureExtractor(new NoiseBank(_test, random));
        Training = new TrainingBatches(this);
    }

    public int TrainCount => _train.Length;

    public IReadOnlyList<Recording> Test => _test;

    /// <summary>An epoch of the training part: each recording once, in another order and noise each time.</summary>
    public IReadOnlyCollection<Batch> Training { get; }

    /// <summary>The test part under a noise, in order, always the same.</summary>
    public IEnumerable<Batch> TestUnder(NoiseCondition condition)
    {
        foreach (Hearing[] batch in _test.Select((recording, i) => new Hearing(recording, condition, i)).Chunk(BatchSize))
            yield return Tensors(_testFeatures, batch, maxShift: 0);
    }

    static Batch Tensors(FeatureExtractor extractor, Hearing[] batch, int maxShift)
    {
        var features = new float[batch.Length * FeatureExtractor.Features];
        extractor.ExtractAll(batch, maxShift, features);
        return (
            tensor(features, [batch.Length, 1, LogMel.Frames, LogMel.Bands]),
            tensor(Array.ConvertAll(batch, hearing => (long)hearing.Recording.Digit)));
    }

    sealed class TrainingBatches(Corpus corpus) : IReadOnlyCollection<Batch>
    {
        const int MaxShift = 800;

        static readonly NoiseCondition[] Noises = [.. NoiseCondition.Noisy(0, 5, 10, 15)];

        public int Count => (corpus._train.Length + BatchSize - 1) / BatchSize;

        public IEnumerator<Batch> GetEnumerator()
        {
            using Tensor order = randperm(corpus._train.Length);
            foreach (long[] rows in order.data<long>().ToArray().Chunk(BatchSize))
            {
                using Tensor seed = randint(0, int.MaxValue, [1]);
                var random = new Random((int)seed.data<long>()[0]);
                NoiseCondition noise = Noises[random.Next(Noises.Length)];

                // Every other example is clean, so that clean speech is not forgotten over the noise.
                Hearing[] batch = [.. rows.Select((row, i) => new Hearing(
                    corpus._train[row], i % 2 == 0 ? new(NoiseKind.Clean) : noise, random.Next()))];
                yield return Tensors(corpus._features, batch, MaxShift);
            }
        }

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
