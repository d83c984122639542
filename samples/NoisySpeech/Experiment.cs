using Infinorm.Samples.Speech;
using Infinorm.Variables;

namespace Infinorm.Samples.NoisySpeech;

/// <summary>What was seen at one step of the training.</summary>
readonly record struct Observation(NoiseCondition Condition, float Loss, float Accuracy);

/// <summary>Right answers on the batch of a step before the network has learnt from it, in per cent: with its own weights, and with their averages.</summary>
readonly record struct Probe(int Step, double Raw, double Averaged);

/// <summary>Right answers on the test part under one noise condition, in per cent.</summary>
readonly record struct TestResult(NoiseCondition Condition, double Raw, double Averaged);

/// <summary>One training from first to last step, and its test.</summary>
sealed record Run(string Name, IReadOnlyList<Observation> History, IReadOnlyList<Probe> Probes, IReadOnlyList<TestResult> Tests, NoiseCourse Course, TimeSpan OptimizerTime)
{
    public TestResult Clean => Tests[0];

    public double NoisyRaw => Tests.Skip(1).Average(t => t.Raw);

    public double NoisyAveraged => Tests.Skip(1).Average(t => t.Averaged);
}

/// <summary>A speech set, divided, and the trainings on it. The seed: the same one gives the same results.</summary>
sealed class Experiment
{
    const int BatchSize = 32;
    const int Hidden = 256;
    const int MaxShift = 800;
    const float Dropout = 0.2f;
    const int ProbeEvery = 5;

    readonly Recording[] _train, _test;
    readonly FeatureExtractor _features, _testFeatures;
    readonly int _seed;

    public Experiment(IReadOnlyList<Recording> recordings, SplitBy split, int seed)
    {
        _seed = seed;
        var random = new Random(seed);
        (_train, _test) = SpeechSet.Split(recordings, split, random);

        // Noise of its own for the test, so that none of it was heard in training.
        _features = new FeatureExtractor(new NoiseBank(_train, random));
        _testFeatures = new FeatureExtractor(new NoiseBank(_test, random));
    }

    public int TrainCount => _train.Length;

    public int TestCount => _test.Length;

    /// <summary>Trains a new network.</summary>
    /// <param name="choice">The optimizer.</param>
    /// <param name="steps">How many steps.</param>
    /// <param name="progress">Told after every step.</param>
    public Run Train(Choice choice, int steps, Action<int, Observation> progress)
    {
        var random = new Random(_seed + 1);
        var course = new NoiseCourse(steps, random);
        var network = new Network(FeatureExtractor.Features, Hidden, outputs: 10, random);
        RuleOptimizer optimizer = choice.Make(steps);
        optimizer.Build(network.Variables());
        Gradient[] gradients = network.Gradients();

        var history = new List<Observation>(steps);
        var probes = new List<Probe>();
        var batch = new float[BatchSize * FeatureExtractor.Features];
        var digits = new int[BatchSize];
        var watch = new System.Diagnostics.Stopwatch();
        for (int step = 0; step < steps; step++)
        {
            NoiseCondition condition = course.At(step);
            FillBatch(batch, digits, condition, random);
            if (step > 0 && step % ProbeEvery == 0)
                probes.Add(ProbeAt(step));
            (float loss, float accuracy) = network.Backward(batch, digits, Dropout, random);
            watch.Start();
            optimizer.Apply(gradients);
            watch.Stop();
            history.Add(new(condition, loss, accuracy));
            progress(step, history[^1]);
        }

        return new Run($"{choice}", history, probes, Test(network, optimizer), course, watch.Elapsed);

        Probe ProbeAt(int step)
        {
            double raw = Right();
            using (optimizer.UseAverages())
                return new(step, raw, Right());
        }

        double Right() => 100.0 * digits.Where((digit, i) =>
            network.Predict(batch.AsSpan(i * FeatureExtractor.Features, FeatureExtractor.Features)) == digit).Count() / BatchSize;
    }

    void FillBatch(float[] batch, int[] digits, NoiseCondition condition, Random random)
    {
        var examples = new Hearing[BatchSize];
        for (int i = 0; i < BatchSize; i++)
        {
            // Every fourth example is clean, so that clean speech is not forgotten over a long noise.
            NoiseCondition heard = i % 4 == 0 ? new(NoiseKind.Clean) : condition;
            examples[i] = new(_train[random.Next(_train.Length)], heard, random.Next());
            digits[i] = examples[i].Recording.Digit;
        }

        _features.ExtractAll(examples, MaxShift, batch);
    }

    List<TestResult> Test(Network network, RuleOptimizer optimizer)
    {
        NoiseCondition[] conditions = [new(NoiseKind.Clean), .. NoiseCourse.Tests];
        double[] raw = [.. conditions.Select(condition => Accuracy(network, condition))];
        double[] averaged = raw;
        if (optimizer.UseEma)
        {
            using (optimizer.UseAverages())
                averaged = [.. conditions.Select(condition => Accuracy(network, condition))];
        }

        return [.. conditions.Select((condition, i) => new TestResult(condition, raw[i], averaged[i]))];
    }

    double Accuracy(Network network, NoiseCondition condition)
    {
        var features = new float[_test.Length * FeatureExtractor.Features];
        _testFeatures.ExtractAll([.. _test.Select((recording, i) => new Hearing(recording, condition, _seed + i))], maxShift: 0, features);
        return 100.0 * _test.Where((recording, i) => network.Predict(FeaturesOf(i)) == recording.Digit).Count() / _test.Length;

        ReadOnlySpan<float> FeaturesOf(int i) => features.AsSpan(i * FeatureExtractor.Features, FeatureExtractor.Features);
    }
}
