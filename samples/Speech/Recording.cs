using System.Globalization;

namespace Infinorm.Samples.Speech;

/// <summary>One spoken digit.</summary>
/// <param name="Digit">What is said, 0 to 9.</param>
/// <param name="Speaker">Who says it.</param>
/// <param name="Take">Which of the speaker's recordings of this digit it is.</param>
/// <param name="Samples">The sound at <see cref="SampleRate"/>, between -1 and 1.</param>
public sealed record Recording(int Digit, string Speaker, int Take, float[] Samples)
{
    /// <summary>Samples a second of every recording.</summary>
    public const int SampleRate = 8000;

    /// <summary>Reads <c>{digit}_{speaker}_{take}.wav</c>.</summary>
    /// <exception cref="InvalidDataException">The name or the sound is of another kind.</exception>
    public static Recording Read(string path)
    {
        string name = Path.GetFileNameWithoutExtension(path);
        int first = name.IndexOf('_'), last = name.LastIndexOf('_');
        bool named = first == 1 && last > first + 1 && char.IsAsciiDigit(name[0]);
        if (!named || !int.TryParse(name[(last + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int take))
            throw new InvalidDataException($"{path}: the name must be {{digit}}_{{speaker}}_{{take}}.wav, as in 7_anna_0.wav");

        return new Recording(name[0] - '0', name[(first + 1)..last], take, WavFile.Read(path));
    }
}
