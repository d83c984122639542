namespace Infinorm.Samples.Speech;

/// <summary>What is heard besides the speech.</summary>
public enum NoiseKind
{
    /// <summary>Nothing.</summary>
    Clean,

    /// <summary>Equal power at every frequency, as of an untuned radio.</summary>
    White,

    /// <summary>Power falling by 3 dB an octave, as of wind and traffic.</summary>
    Pink,

    /// <summary>50 Hz from the mains and its overtones.</summary>
    Hum,

    /// <summary>Several people talking at once.</summary>
    Babble,

    /// <summary>Short cracks with silence between them.</summary>
    Bursts,
}

/// <summary>A kind of noise at a level.</summary>
/// <param name="Kind">What is heard besides the speech.</param>
/// <param name="SignalToNoise">Mean power of the speech over mean power of the noise, in decibels; without meaning when clean.</param>
public readonly record struct NoiseCondition(NoiseKind Kind, int SignalToNoise = 0)
{
    /// <summary>Every kind of noise at each of these levels.</summary>
    public static IEnumerable<NoiseCondition> Noisy(params int[] levels) =>
        from kind in Enum.GetValues<NoiseKind>()
        where kind != NoiseKind.Clean
        from level in levels
        select new NoiseCondition(kind, level);

    /// <inheritdoc/>
    public override string ToString() => Kind == NoiseKind.Clean ? "clean" : $"{Kind.ToString().ToLowerInvariant()} {SignalToNoise} dB";
}

/// <summary>Half a minute of every kind of noise, of which pieces are added to speech.</summary>
public sealed class NoiseBank
{
    const int Length = 30 * Recording.SampleRate;

    readonly Dictionary<NoiseKind, float[]> _tracks;

    /// <summary>Records a bank.</summary>
    /// <param name="babble">Who talks in the babble.</param>
    /// <param name="random">Source of everything random in it.</param>
    public NoiseBank(IReadOnlyList<Recording> babble, Random random) => _tracks = new()
    {
        [NoiseKind.White] = White(random),
        [NoiseKind.Pink] = Pink(random),
        [NoiseKind.Hum] = Hum(random),
        [NoiseKind.Babble] = Babble(babble, random),
        [NoiseKind.Bursts] = Bursts(random),
    };

    /// <summary>Adds a random piece of noise to a signal.</summary>
    /// <param name="signal">Sound that contains speech; at most 30 seconds.</param>
    /// <param name="speechPower">Mean square of the speech alone.</param>
    /// <param name="condition">Which noise, how loud.</param>
    /// <param name="random">Chooses the piece.</param>
    public void AddTo(Span<float> signal, float speechPower, NoiseCondition condition, Random random)
    {
        if (condition.Kind == NoiseKind.Clean)
            return;

        var piece = _tracks[condition.Kind].AsSpan(random.Next(Length - signal.Length + 1), signal.Length);
        double noisePower = speechPower / Math.Pow(10, condition.SignalToNoise / 10.0);
        float gain = (float)Math.Sqrt(noisePower / Power(piece));
        for (int i = 0; i < signal.Length; i++)
            signal[i] += gain * piece[i];
    }

    /// <summary>The mean square of a sound.</summary>
    public static float Power(ReadOnlySpan<float> sound)
    {
        double sum = 0;
        foreach (float sample in sound)
            sum += sample * sample;
        return (float)(sum / sound.Length);
    }

    static float[] White(Random random)
    {
        var track = new float[Length];
        for (int i = 0; i < Length; i++)
            track[i] = 2 * random.NextSingle() - 1;
        return track;
    }

    /// <summary>White noise through Paul Kellet's filter: three one-pole low-passes whose sum falls by 3 dB an octave.</summary>
    static float[] Pink(Random random)
    {
        var track = White(random);
        float low = 0, middle = 0, high = 0;
        for (int i = 0; i < Length; i++)
        {
            float white = track[i];
            low = 0.99765f * low + 0.0990460f * white;
            middle = 0.96300f * middle + 0.2965164f * white;
            high = 0.57000f * high + 1.0526913f * white;
            track[i] = low + middle + high + 0.1848f * white;
        }
        return track;
    }

    /// <summary>The first twelve overtones of 50 Hz, odd ones louder, swelling and fading slowly.</summary>
    static float[] Hum(Random random)
    {
        var track = new float[Length];
        for (int overtone = 1; overtone <= 12; overtone++)
        {
            double loudness = (overtone % 2 == 1 ? 1.0 : 0.5) / overtone;
            double step = 2 * Math.PI * 50 * overtone / Recording.SampleRate, phase = 2 * Math.PI * random.NextDouble();
            double swell = 2 * Math.PI * (0.1 + 0.4 * random.NextDouble()) / Recording.SampleRate;
            for (int i = 0; i < Length; i++)
                track[i] += (float)(loudness * (1 + 0.5 * Math.Sin(swell * i)) * Math.Sin(step * i + phase));
        }
        return track;
    }

    /// <summary>Six people, each saying one digit after the other without a pause.</summary>
    static float[] Babble(IReadOnlyList<Recording> speech, Random random)
    {
        var track = new float[Length];
        for (int voice = 0; voice < 6; voice++)
        {
            for (int start = 0; start < Length;)
            {
                float[] word = speech[random.Next(speech.Count)].Samples;
                int end = Math.Min(Length, start + word.Length);
                for (int i = start; i < end; i++)
                    track[i] += word[i - start];
                start = end;
            }
        }
        return track;
    }

    /// <summary>Cracks of 10 to 60 ms, fading, five a second on average.</summary>
    static float[] Bursts(Random random)
    {
        var track = new float[Length];
        for (int start = 0; start < Length; start += random.Next(Recording.SampleRate / 10, 3 * Recording.SampleRate / 10))
        {
            int end = Math.Min(Length, start + random.Next(Recording.SampleRate / 100, 6 * Recording.SampleRate / 100));
            float loudness = 0.5f + random.NextSingle();
            for (int i = start; i < end; i++)
                track[i] = loudness * (2 * random.NextSingle() - 1) * (end - i) / (end - start);
        }
        return track;
    }
}
