using System.Buffers.Binary;

namespace Infinorm.Samples.Speech;

/// <summary>Reads the WAV files the samples understand: mono PCM of 8 or 16 bits, 8 or 16 kHz.</summary>
public static class WavFile
{
    const int Pcm = 1;
    const int Extensible = 0xFFFE;

    /// <summary>The samples of a file, between -1 and 1, at 8 kHz (a 16 kHz file is halved).</summary>
    /// <exception cref="InvalidDataException">The file is not such a WAV file; the message names the file and what was found.</exception>
    public static float[] Read(string path)
    {
        var file = File.ReadAllBytes(path).AsSpan();
        if (file.Length < 12 || !file[..4].SequenceEqual("RIFF"u8) || !file[8..12].SequenceEqual("WAVE"u8))
            throw Refuse(path, "not a WAV file");

        var format = Chunk(path, file, "fmt "u8);
        if (format.Length < 16)
            throw Refuse(path, $"its fmt chunk has {format.Length} bytes, at least 16 are needed");

        int tag = BinaryPrimitives.ReadUInt16LittleEndian(format);
        // An extensible header has the real tag at the start of its sub-format.
        if (tag == Extensible && format.Length >= 26)
            tag = BinaryPrimitives.ReadUInt16LittleEndian(format[24..]);
        int channels = BinaryPrimitives.ReadUInt16LittleEndian(format[2..]);
        uint rate = BinaryPrimitives.ReadUInt32LittleEndian(format[4..]);
        int bits = BinaryPrimitives.ReadUInt16LittleEndian(format[14..]);
        if (tag != Pcm || channels != 1 || rate is not (8000 or 16000) || bits is not (8 or 16))
        {
            string encoding = tag == Pcm ? "PCM" : $"encoding {tag}";
            throw Refuse(path, $"{encoding}, {channels} channel(s), {rate} Hz, {bits} bits; mono PCM of 8000 or 16000 Hz, 8 or 16 bits, is needed");
        }

        var data = Chunk(path, file, "data"u8);
        if (data.IsEmpty || data.Length % (bits / 8) != 0)
            throw Refuse(path, $"its data chunk has {data.Length} bytes, not a whole number of {bits}-bit samples");

        float[] samples = bits == 8 ? FromBytes(data) : FromShorts(data);
        return rate == 16000 ? Halve(samples) : samples;
    }

    static ReadOnlySpan<byte> Chunk(string path, ReadOnlySpan<byte> file, ReadOnlySpan<byte> id)
    {
        for (long start = 12; start + 8 <= file.Length;)
        {
            var header = file.Slice((int)start, 8);
            long length = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
            long left = file.Length - start - 8;
            if (header[..4].SequenceEqual(id))
                return length <= left
                    ? file.Slice((int)start + 8, (int)length)
                    : throw Refuse(path, $"its {System.Text.Encoding.ASCII.GetString(id).Trim()} chunk claims {length} bytes, the file has {left} left");
            start += 8 + length + length % 2;   // chunks are padded to even lengths
        }
        throw Refuse(path, $"it has no {System.Text.Encoding.ASCII.GetString(id).Trim()} chunk");
    }

    static float[] FromBytes(ReadOnlySpan<byte> data)
    {
        var samples = new float[data.Length];
        for (int i = 0; i < samples.Length; i++)
            samples[i] = (data[i] - 128) / 128f;
        return samples;
    }

    static float[] FromShorts(ReadOnlySpan<byte> data)
    {
        var samples = new float[data.Length / 2];
        for (int i = 0; i < samples.Length; i++)
            samples[i] = BinaryPrimitives.ReadInt16LittleEndian(data[(2 * i)..]) / 32768f;
        return samples;
    }

    /// <summary>Every second sample, after a windowed-sinc low-pass at a quarter of the old rate, against aliasing.</summary>
    static float[] Halve(float[] samples)
    {
        const int Reach = 24;
        var filter = new double[2 * Reach + 1];
        for (int k = -Reach; k <= Reach; k++)
        {
            double sinc = k == 0 ? 0.5 : Math.Sin(Math.PI * k / 2) / (Math.PI * k);
            double hann = 0.5 + 0.5 * Math.Cos(Math.PI * k / (Reach + 1));
            filter[k + Reach] = sinc * hann;
        }

        var half = new float[(samples.Length + 1) / 2];
        for (int i = 0; i < half.Length; i++)
        {
            double sum = 0;
            for (int k = Math.Max(-Reach, -2 * i); k <= Math.Min(Reach, samples.Length - 1 - 2 * i); k++)
                sum += filter[k + Reach] * samples[2 * i + k];
            half[i] = (float)sum;
        }
        return half;
    }

    static InvalidDataException Refuse(string path, string reason) => new($"{path}: {reason}");
}
