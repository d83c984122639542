using Infinorm.Samples.Speech;

namespace Infinorm.Samples.NoisySpeech;

/// <summary>Which noise is heard at which step of the training: it changes every so often, each condition in turn, in random order.</summary>
sealed class NoiseCourse
{
    static readonly NoiseKind[] Kinds = [NoiseKind.White, NoiseKind.Pink, NoiseKind.Hum, NoiseKind.Babble, NoiseKind.Bursts];

    readonly List<NoiseCondition> _phases = [];

    public NoiseCourse(int steps, Random random)
    {
        PhaseLength = Math.Max(10, steps / 50);
        while (_phases.Count * PhaseLength < steps)
        {
            NoiseCondition[] round = [new(NoiseKind.Clean), .. Conditions([0, 5, 10])];
            random.Shuffle(round);
            _phases.AddRange(round);
        }
    }

    /// <summary>What the recogniser is tested on: every kind of noise at two levels.</summary>
    public static IReadOnlyList<NoiseCondition> Tests { get; } = [.. Conditions([5, 10])];

    /// <summary>Steps from one change to the next.</summary>
    public int PhaseLength { get; }

    public NoiseCondition At(int step) => _phases[step / PhaseLength];

    static IEnumerable<NoiseCondition> Conditions(int[] levels) =>
        from kind in Kinds from level in levels select new NoiseCondition(kind, level);
}
