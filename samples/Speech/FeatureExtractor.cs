namespace Infinorm.Samples.Speech;

/// <summary>A recording as it is heard once.</summary>
/// <param name="Recording">What is said.</param>
/// <param name="Condition">The noise around it.</param>
/// <param name="Seed">Of everything random about it, so that it does not depend on which thread computes it.</param>
public readonly record struct Hearing(Recording Recording, NoiseCondition Condition, int Seed);

/// <summary>Puts a recording into the time window of the recogniser, adds noise and computes the features.</summary>
/// <param name="noise">Where the noise comes from.</param>
public sealed class FeatureExtractor(NoiseBank noise)
{
    /// <summary>Numbers that describe one recording.</summary>
    public const int Features = LogMel.Frames * LogMel.Bands;

    /// <summary>Computes the features of several recordings, on all processors.</summary>
    /// <param name="hearings">What is heard.</param>
    /// <param name="maxShift">By how many samples at most each is moved to either side, at random.</param>
    /// <param name="features">Receives <see cref="Features"/> numbers for each, one after the other.</param>
    public void ExtractAll(IReadOnlyList<Hearing> hearings, int maxShift, float[] features) => Parallel.For(0, hearings.Count, i =>
    {
        (Recording recording, NoiseCondition condition, int seed) = hearings[i];
        Extract(recording, condition, maxShift, new Random(seed), features.AsSpan(i * Features, Features));
    });

    /// <summary>Computes the features of one recording under noise.</summary>
    /// <param name="recording">What is said; its middle comes to the middle of the window.</param>
    /// <param name="condition">The noise around it.</param>
    /// <param name="maxShift">By how many samples at most it is moved to either side, at random.</param>
    /// <param name="random">Source of everything random.</param>
    /// <param name="features">Receives <see cref="Features"/> numbers.</param>
    public void Extract(Recording recording, NoiseCondition condition, int maxShift, Random random, Span<float> features)
    {
        var window = new float[LogMel.Samples];
        float[] speech = recording.Samples;
        int shift = (LogMel.Samples - speech.Length) / 2 + random.Next(-maxShift, maxShift + 1);
        int start = Math.Max(0, shift), end = Math.Min(LogMel.Samples, shift + speech.Length);
        speech.AsSpan(start - shift, end - start).CopyTo(window.AsSpan(start));

        noise.AddTo(window, NoiseBank.Power(speech), condition, random);
        LogMel.Compute(window, features);
    }
}
