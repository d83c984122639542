using System.Text;

namespace Infinorm.Fuzz;

/// <summary>Damages inputs, at random but the same for the same seed.</summary>
sealed class Mutator(int seed)
{
    /// <summary>The longest input in bytes.</summary>
    public const int MaxLength = 64 * 1024;

    static readonly byte[][] Tokens =
    [
        .. new[]
        {
            "0", "-1", "1", "255", "65536", "2147483647", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808",
            "18446744073709551615", "1e308", "1e400", "-0.0", "1.5", "NaN", "null", "true", "{", "}", "[", "]", "\"", "\\", ",", ":",
            "{}", "[]", "\"\"", "\\u0000", "\\ud800", "\\\"", " ", "\n", "/",
        }.Select(Encoding.ASCII.GetBytes),
        [0], [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0x7F], [0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 0x80],
    ];

    readonly Random _random = new(seed);

    /// <summary>One of several.</summary>
    public T Pick<T>(IReadOnlyList<T> items) => items[_random.Next(items.Count)];

    /// <summary>True once in so many times.</summary>
    public bool Once(int times) => _random.Next(times) == 0;

    /// <summary>The input with one to four of its binary numbers replaced: by one from elsewhere in it, or one that is likely to hurt.</summary>
    public byte[] MutateNumbers(byte[] input)
    {
        byte[] bytes = [.. input];
        for (int left = 1 + _random.Next(4); left > 0; left--)
        {
            int size = 1 << _random.Next(4);
            Span<byte> place = bytes.AsSpan(_random.Next((bytes.Length / size) + 1) * size);
            ReadOnlySpan<byte> number = _random.Next(4) switch
            {
                0 => BitConverter.GetBytes(1L << _random.Next(64)),
                1 => BitConverter.GetBytes((long)_random.Next(bytes.Length)),
                _ => bytes.AsSpan(_random.Next((bytes.Length / 8) + 1) * 8),
            };
            number[..Math.Min(size, Math.Min(place.Length, number.Length))].CopyTo(place);
        }

        return bytes;
    }

    /// <summary>The input with one to eight damages.</summary>
    public byte[] Mutate(byte[] input)
    {
        var bytes = new List<byte>(input);
        for (int left = 1 << _random.Next(4); left > 0; left--)
            Damage(bytes);
        if (bytes.Count > MaxLength)
            bytes.RemoveRange(MaxLength, bytes.Count - MaxLength);
        return [.. bytes];
    }

    void Damage(List<byte> bytes)
    {
        int at = _random.Next(bytes.Count + 1);
        int length = Math.Min(1 + _random.Next(1 << _random.Next(1, 8)), bytes.Count - at);
        switch (_random.Next(9))
        {
            case 0 when length > 0:
                bytes[at] ^= (byte)(1 << _random.Next(8));
                break;
            case 1 when length > 0:
                bytes[at] = (byte)_random.Next(256);
                break;
            case 2:
                bytes.RemoveRange(at, length);
                break;
            case 3:
                bytes.InsertRange(_random.Next(bytes.Count + 1), bytes.GetRange(at, length));
                break;
            case 4:
                bytes.InsertRange(at, Pick(Tokens));
                break;
            case 5:
                byte[] token = Pick(Tokens);
                bytes.RemoveRange(at, Math.Min(token.Length, bytes.Count - at));
                bytes.InsertRange(at, token);
                break;
            case 6:
                ReplaceNumber(bytes, at);
                break;
            case 7 when Once(4):
                byte[] part = Once(2) ? Pick(Tokens) : [.. bytes.GetRange(at, length)];
                bytes.InsertRange(at, Enumerable.Repeat(part, _random.Next(2000)).SelectMany(x => x).Take(MaxLength));
                break;
            case 8 when Once(4):
                bytes.RemoveRange(at, bytes.Count - at);
                break;
        }
    }

    // The digits that come next, by a number that is likely to hurt.
    void ReplaceNumber(List<byte> bytes, int from)
    {
        int start = bytes.FindIndex(from, value => value is >= (byte)'0' and <= (byte)'9');
        if (start < 0)
            return;
        int end = bytes.FindIndex(start, value => value is < (byte)'0' or > (byte)'9');
        bytes.RemoveRange(start, (end < 0 ? bytes.Count : end) - start);
        bytes.InsertRange(start, Once(2) ? Pick(Tokens) : Encoding.ASCII.GetBytes(_random.Next(100).ToString()));
    }
}
