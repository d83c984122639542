using Infinorm.Samples.Speech;

namespace Infinorm.Benchmarks.Losses;

/// <summary>Spoken digits, each heard some times, clean or in noise.</summary>
sealed class HeardDigits
{
    /// <summary>As many of the examples, which are in random order, tell the loss.</summary>
    public const int Tested = 2048;

    const int Times = 12, MaxShift = 800;

    static readonly Dictionary<int, HeardDigits> Made = [];

    HeardDigits(Recording[] recordings, int seed)
    {
        var random = new Random(seed);
        var extractor = new FeatureExtractor(new NoiseBank(recordings, random));
        NoiseCondition[] conditions = [new(NoiseKind.Clean), .. NoiseCondition.Noisy(0, 5, 10)];
        Hearing[] hearings = [.. Enumerable.Repeat(recordings, Times).SelectMany(all => all).Select(
            recording => new Hearing(recording, conditions[random.Next(conditions.Length)], random.Next()))];
        Features = new float[hearings.Length * FeatureExtractor.Features];
        random.Shuffle(hearings);
        extractor.ExtractAll(hearings, MaxShift, Features);
        Digits = Array.ConvertAll(hearings, hearing => hearing.Recording.Digit);
    }

    /// <summary>The features, one example after the other.</summary>
    public float[] Features { get; }

    /// <summary>The digit of each example.</summary>
    public int[] Digits { get; }

    /// <summary>Those of a seed; made once.</summary>
    public static HeardDigits Of(string? folder, int seed)
    {
        if (!Made.TryGetValue(seed, out HeardDigits? made))
            Made[seed] = made = new(SpeechSet.Load(folder ?? SpeechSet.BundledFolder), seed);
        return made;
    }

    /// <summary>Draws a batch.</summary>
    public void Draw(Random random, Span<float> features, Span<int> digits)
    {
        for (int i = 0; i < digits.Length; i++)
        {
            int example = random.Next(Digits.Length);
            Features.AsSpan(example * FeatureExtractor.Features, FeatureExtractor.Features).CopyTo(features[(i * FeatureExtractor.Features)..]);
            digits[i] = Digits[example];
        }
    }
}
