using Infinorm.Samples.Speech;

namespace Infinorm.Samples.NoisySpeech;

/// <summary>Which noise is heard at which step of the training: it changes every so often, each condition in turn, in random order.</summary>
sealed class NoiseCourse
{
    readonly List<NoiseCondition> _phases = [];

    public NoiseCourse(int steps, Random random)
    {
        PhaseLength = Math.Max(10, steps / 50);
        while (_phases.Count * PhaseLength < steps)
        {
            NoiseCondition[] round = [new(NoiseKind.Clean), .. NoiseCondition.Noisy(0, 5, 10)];
            random.Shuffle(round);
            _phases.AddRange(round);
        }
    }

    /// <summary>What the recogniser is tested on: every kind of noise at two levels.</summary>
    public static IReadOnlyList<NoiseCondition> Tests { get; } = [.. NoiseCondition.Noisy(5, 10)];

    /// <summary>Steps from one change to the next.</summary>
    public int PhaseLength { get; }

    public NoiseCondition At(int step) => _phases[step / PhaseLength];
}
