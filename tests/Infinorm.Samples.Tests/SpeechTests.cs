using System.Text;
using Infinorm.Samples.Speech;

namespace Infinorm.Samples.Tests;

public sealed class SpeechTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("infinorm-speech-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void ReadsBothWidthsAndRates()
    {
        Assert.Equal([0, 0.5f, -1], WavFile.Read(Write("a.wav", Wav(8, 8000, [128, 192, 0]))));
        Assert.Equal([0.5f, -1], WavFile.Read(Write("b.wav", Wav(16, 8000, [0, 0x40, 0, 0x80]))));
        Assert.Equal(3, WavFile.Read(Write("c.wav", Wav(16, 16000, new byte[12]))).Length);
    }

    [Theory]
    [InlineData("44100 Hz", 16, 44100, 1, 4)]
    [InlineData("2 channel(s)", 16, 8000, 2, 4)]
    [InlineData("24 bits", 24, 8000, 1, 4)]
    [InlineData("encoding 3", 16, 8000, 1, 4, 3)]
    [InlineData("not a whole number", 16, 8000, 1, 3)]
    public void RefusesWavesOfAnotherKind(string reason, int bits, int rate, int channels, int length, int tag = 1)
    {
        string path = Write("a.wav", Wav(bits, rate, new byte[length], channels, tag));
        var error = Assert.Throws<InvalidDataException>(() => WavFile.Read(path));
        Assert.StartsWith(path, error.Message);
        Assert.Contains(reason, error.Message);
    }

    [Fact]
    public void RefusesEveryTruncatedFile()
    {
        byte[] whole = Wav(16, 8000, new byte[8]);
        for (int length = 0; length < whole.Length; length++)
        {
            string path = Write("a.wav", whole[..length]);
            Assert.Throws<InvalidDataException>(() => WavFile.Read(path));
        }
    }

    [Theory]
    [InlineData("anna_7_0.wav")]
    [InlineData("77_anna_0.wav")]
    [InlineData("7_anna.wav")]
    [InlineData("7__0.wav")]
    [InlineData("7_anna_x.wav")]
    public void RefusesANameWithoutDigitSpeakerAndTake(string name)
    {
        string path = Write(name, Wav(8, 8000, [128]));
        Assert.Contains("{digit}_{speaker}_{take}.wav", Assert.Throws<InvalidDataException>(() => Recording.Read(path)).Message);
    }

    [Fact]
    public void RefusesAFolderThatIsMissingOrEmpty()
    {
        Assert.Throws<DirectoryNotFoundException>(() => SpeechSet.Load(Path.Combine(_folder, "none")));
        Assert.Throws<InvalidDataException>(() => SpeechSet.Load(_folder));
    }

    [Fact]
    public void TheBundledSetHasTenDigitsOfEverySpeaker()
    {
        Recording[] set = SpeechSet.Load(SpeechSet.BundledFolder);
        var speakers = set.GroupBy(r => r.Speaker).ToArray();
        Assert.InRange(speakers.Length, 40, 200);
        Assert.All(speakers, speaker => Assert.Equal(Enumerable.Range(0, 10), speaker.Select(r => r.Digit).Order()));
    }

    [Fact]
    public void ASplitSharesNoSpeakerOrNoRecording()
    {
        Recording[] set = SpeechSet.Load(SpeechSet.BundledFolder);
        var (train, test) = SpeechSet.Split(set, SplitBy.Speaker, new Random(1));
        Assert.Empty(train.Select(r => r.Speaker).Intersect(test.Select(r => r.Speaker)));
        Assert.Equal(set.Length, train.Length + test.Length);

        (train, test) = SpeechSet.Split(set, SplitBy.Take, new Random(1));
        Assert.Empty(train.Intersect(test));
        Assert.Equal(set.Length, train.Length + test.Length);
        Assert.Equal(10, test.Select(r => r.Digit).Distinct().Count());
    }

    [Theory]
    [InlineData(NoiseKind.White)]
    [InlineData(NoiseKind.Pink)]
    [InlineData(NoiseKind.Hum)]
    [InlineData(NoiseKind.Babble)]
    [InlineData(NoiseKind.Bursts)]
    public void NoiseHasTheLevelAskedFor(NoiseKind kind)
    {
        Recording[] speech = SpeechSet.Load(SpeechSet.BundledFolder)[..20];
        var bank = new NoiseBank(speech, new Random(1));
        foreach (int level in (int[])[0, 5, 10])
        {
            var sound = new float[6000];
            bank.AddTo(sound, speechPower: 0.04f, new NoiseCondition(kind, level), new Random(2));
            Assert.Equal(level, 10 * Math.Log10(0.04 / NoiseBank.Power(sound)), 0.01);
        }
    }

    [Fact]
    public void FeaturesAreFiniteAndForgetTheLoudness()
    {
        Recording recording = SpeechSet.Load(SpeechSet.BundledFolder)[0];
        var extractor = new FeatureExtractor(new NoiseBank([recording], new Random(1)));
        var features = new float[FeatureExtractor.Features];
        extractor.Extract(recording, new NoiseCondition(NoiseKind.Pink, 5), maxShift: 500, new Random(3), features);
        Assert.All(features, feature => Assert.True(float.IsFinite(feature)));
        Assert.Equal(1, NoiseBank.Power(features), 0.01f);
    }

    [Fact]
    public void ExtractsManyAsOneByOne()
    {
        Recording[] recordings = SpeechSet.Load(SpeechSet.BundledFolder)[..3];
        var extractor = new FeatureExtractor(new NoiseBank(recordings, new Random(1)));
        Hearing[] hearings = [.. recordings.Select((recording, i) => new Hearing(recording, new(NoiseKind.Babble, 5), i))];
        var all = new float[3 * FeatureExtractor.Features];
        extractor.ExtractAll(hearings, maxShift: 100, all);

        var one = new float[FeatureExtractor.Features];
        for (int i = 0; i < 3; i++)
        {
            extractor.Extract(recordings[i], hearings[i].Condition, maxShift: 100, new Random(i), one);
            Assert.Equal(one, all[(i * one.Length)..((i + 1) * one.Length)]);
        }
    }

    [Fact]
    public void NoisyConditionsAreAllKindsAtAllLevels()
    {
        NoiseCondition[] conditions = [.. NoiseCondition.Noisy(0, 5)];
        Assert.Equal(10, conditions.Distinct().Count());
        Assert.DoesNotContain(conditions, condition => condition.Kind == NoiseKind.Clean);
    }

    string Write(string name, byte[] bytes)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    static byte[] Wav(int bits, int rate, byte[] data, int channels = 1, int tag = 1)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream, Encoding.ASCII);
        writer.Write("RIFF"u8);
        writer.Write(36 + data.Length);
        writer.Write("WAVEfmt "u8);
        writer.Write(16);
        writer.Write((short)tag);
        writer.Write((short)channels);
        writer.Write(rate);
        writer.Write(rate * channels * bits / 8);
        writer.Write((short)(channels * bits / 8));
        writer.Write((short)bits);
        writer.Write("data"u8);
        writer.Write(data.Length);
        writer.Write(data);
        return stream.ToArray();
    }
}
