using MathNet.Numerics;
using MathNet.Numerics.IntegralTransforms;

namespace Infinorm.Samples.Speech;

/// <summary>
/// What a recogniser is given instead of a sound: the logarithm of its power in bands as wide as the ear's (mel scale), frame by frame.
/// Every band is given relative to its own mean, which takes away the loudness and most of a steady noise.
/// </summary>
public static class LogMel
{
    /// <summary>Frames in time.</summary>
    public const int Frames = 32;

    /// <summary>Bands of frequency in each frame.</summary>
    public const int Bands = 24;

    /// <summary>Samples heard: 0.83 s.</summary>
    public const int Samples = (Frames - 1) * Hop + Window;

    const int Window = 256;
    const int Hop = 200;
    const float Floor = 1e-3f;

    static readonly float[] Hann = Array.ConvertAll(MathNet.Numerics.Window.HannPeriodic(Window), x => (float)x);
    static readonly Filter[] Filters = MakeFilters(100, Recording.SampleRate / 2.0);

    /// <summary>Computes the features of a sound.</summary>
    /// <param name="sound"><see cref="Samples"/> samples.</param>
    /// <param name="features">Receives <see cref="Frames"/> × <see cref="Bands"/> numbers, frame after frame.</param>
    public static void Compute(ReadOnlySpan<float> sound, Span<float> features)
    {
        var spectrum = new Complex32[Window];
        Span<float> power = stackalloc float[Window / 2 + 1];
        for (int frame = 0; frame < Frames; frame++)
        {
            for (int i = 0; i < Window; i++)
                spectrum[i] = Hann[i] * sound[frame * Hop + i];
            Fourier.Forward(spectrum, FourierOptions.NoScaling);
            for (int i = 0; i < power.Length; i++)
                power[i] = spectrum[i].MagnitudeSquared;
            for (int band = 0; band < Bands; band++)
                features[frame * Bands + band] = MathF.Log(Floor + Filters[band].Apply(power));
        }
        Normalise(features);
    }

    static void Normalise(Span<float> features)
    {
        for (int band = 0; band < Bands; band++)
        {
            float mean = 0;
            for (int frame = 0; frame < Frames; frame++)
                mean += features[frame * Bands + band] / Frames;
            for (int frame = 0; frame < Frames; frame++)
                features[frame * Bands + band] -= mean;
        }
        float deviation = MathF.Sqrt(NoiseBank.Power(features)) + 1e-3f;
        foreach (ref float feature in features)
            feature /= deviation;
    }

    /// <summary>A triangle over the power spectrum: the weights that are not zero, and where they start.</summary>
    readonly record struct Filter(int Start, float[] Weights)
    {
        public float Apply(ReadOnlySpan<float> power)
        {
            float energy = 0;
            for (int i = 0; i < Weights.Length; i++)
                energy += Weights[i] * power[Start + i];
            return energy;
        }
    }

    /// <summary>Triangles whose corners are equally spaced on the mel scale.</summary>
    static Filter[] MakeFilters(double lowest, double highest)
    {
        double Mel(double hertz) => 2595 * Math.Log10(1 + hertz / 700);
        double Hertz(double mel) => 700 * (Math.Pow(10, mel / 2595) - 1);
        double Corner(int i) => Hertz(Mel(lowest) + (Mel(highest) - Mel(lowest)) * i / (Bands + 1)) * Window / Recording.SampleRate;

        var filters = new Filter[Bands];
        for (int band = 0; band < Bands; band++)
        {
            double left = Corner(band), top = Corner(band + 1), right = Corner(band + 2);
            int start = (int)Math.Ceiling(left);
            var weights = new float[(int)Math.Floor(right) - start + 1];
            for (int i = 0; i < weights.Length; i++)
                weights[i] = (float)Math.Min((start + i - left) / (top - left), (right - start - i) / (right - top));
            filters[band] = new(start, weights);
        }
        return filters;
    }
}
