using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

/// <summary>Whole numbers as their places in a vocabulary. Keras looks them up with TensorFlow.</summary>
sealed class IntegerLookup : KerasLayer
{
    readonly int _unknownCount;
    readonly long? _mask;
    readonly long _unknown;
    readonly bool _inverts;
    readonly string _mode;
    readonly int? _depth;
    readonly JsonArray? _vocabulary;
    readonly string _asset;
    long[] _tokens = [];
    Dictionary<long, long> _places = [];

    public IntegerLookup(LayerConfig config)
        : base(config)
    {
        ConvertsInputs = false;
        config.Ignore("vocabulary_dtype", "idf_weights", "vocabulary_size");
        config.Only("sparse", false);
        _unknownCount = config.OptionalInteger("num_oov_indices") ?? 1;
        _mask = config.OptionalInteger("mask_token");
        _unknown = config.OptionalInteger("oov_token") ?? -1;
        _inverts = config.Boolean("invert", false);
        _mode = config.OneOf("output_mode", "int", "int", "one_hot", "multi_hot", "count");
        int? most = config.OptionalInteger("max_tokens");
        _depth = config.Boolean("pad_to_max_tokens", false) ? most : null;
        _vocabulary = config.Json("vocabulary") as JsonArray;
        _asset = config.Name;
    }

    // In front of the vocabulary lie the mask, where indices are the output, and what is not in it.
    long MaskCount => _mask is not null && _mode == "int" ? 1 : 0;

    long First => MaskCount + _unknownCount;

    private protected override void Load(KerasArchive archive)
    {
        long[] given = _vocabulary is not null
            ? [.. _vocabulary.Select(token => long.Parse(token!.ToString(), CultureInfo.InvariantCulture))]
            : Stored(archive);
        long[] special = [.. Enumerable.Repeat(_mask ?? 0, (int)MaskCount), .. Enumerable.Repeat(_unknown, _unknownCount)];
        _tokens = given.AsSpan().StartsWith(special) ? given[special.Length..] : given;
        _places = _tokens.Select((token, i) => (token, i)).ToDictionary(item => item.token, item => First + item.i);
    }

    // A vocabulary that was adapted is an asset of the archive.
    long[] Stored(KerasArchive archive)
    {
        byte[] text = archive.Asset($"assets/{StoredKey}/vocabulary.txt")
            ?? throw new NotSupportedException($"{Path}: the archive has no vocabulary of the layer {_asset}: it was not adapted.");
        return [.. Encoding.UTF8.GetString(text).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => long.Parse(line, NumberStyles.AllowLeadingSign | NumberStyles.AllowTrailingWhite,
                CultureInfo.InvariantCulture))];
    }

    protected internal override object Call(LayerCall call)
    {
        Tensor indices = Integers.Map(call.Input, _inverts ? Token : Place);
        return _inverts || _mode == "int"
            ? indices.to(ComputeType == ScalarType.Float32 ? ScalarType.Int64 : ComputeType)
            : ClassEncoding.Encode(indices, _mode, _depth ?? (int)(First + _tokens.Length), ComputeType);
    }

    long Place(long number)
    {
        if (_mask == number && _mode == "int")
            return 0;
        if (_places.TryGetValue(number, out long place))
            return place;
        return _unknownCount switch
        {
            0 => throw new ArgumentException($"{Path}: {number} is not in the vocabulary, and num_oov_indices is 0."),
            _ => MaskCount + (((number % _unknownCount) + _unknownCount) % _unknownCount),
        };
    }

    long Token(long place) =>
        MaskCount == 1 && place == 0 ? _mask!.Value : place >= First && place - First < _tokens.Length ? _tokens[place - First] : _unknown;
}

/// <summary>Whole numbers as the numbers of hash buckets. Keras hashes their decimal text with TensorFlow's functions.</summary>
sealed class Hashing : KerasLayer
{
    readonly int _count;
    readonly (ulong, ulong)? _salt;
    readonly long? _mask;
    readonly bool _hasMask;
    readonly string _mode;

    public Hashing(LayerConfig config)
        : base(config)
    {
        ConvertsInputs = false;
        _count = config.Integer("num_bins");
        config.Only("sparse", false);
        _mode = config.OneOf("output_mode", "int", "int", "one_hot", "multi_hot", "count");
        _hasMask = config.Json("mask_value") is not null;
        _mask = config.Json("mask_value") is { } mask && long.TryParse(mask.ToString(), CultureInfo.InvariantCulture, out long value)
            ? value : null;
        _salt = config.Axes("salt") switch
        {
            null => null,
            [var one] => ((ulong)one, (ulong)one),
            [var one, var other] => ((ulong)one, (ulong)other),
            _ => throw new FormatException("Hashing: salt should be a number or two"),
        };
    }

    protected internal override object Call(LayerCall call)
    {
        Tensor buckets = Integers.Map(call.Input, Bucket);
        return _mode == "int"
            ? buckets.to(ComputeType == ScalarType.Float32 ? ScalarType.Int64 : ComputeType)
            : ClassEncoding.Encode(buckets, _mode, _count, ComputeType);
    }

    // With a mask value the first bucket is its own.
    long Bucket(long number)
    {
        if (number == _mask)
            return 0;
        byte[] text = Encoding.ASCII.GetBytes(number.ToString(CultureInfo.InvariantCulture));
        ulong hash = _salt is var (one, other) ? TextHash.Sip(text, one, other) : TextHash.Farm(text);
        int first = _hasMask && _count > 1 ? 1 : 0;
        return first + (long)(hash % (ulong)(_count - first));
    }
}

static class Integers
{
    /// <summary>Each whole number of a tensor replaced.</summary>
    public static Tensor Map(Tensor x, Func<long, long> map)
    {
        long[] values = x.to(ScalarType.Int64).contiguous().data<long>().ToArray();
        return tensor(Array.ConvertAll(values, value => map(value)), x.shape, dtype: ScalarType.Int64);
    }
}

/// <summary>The hashes of TensorFlow's string functions, for texts of up to 32 bytes.</summary>
static class TextHash
{
    const ulong K0 = 0xc3a5c85c97cb3127, K1 = 0xb492b66fbe98f273, K2 = 0x9ae16a3b2f90404f;

    /// <summary>FarmHash's <c>Fingerprint64</c>.</summary>
    public static ulong Farm(ReadOnlySpan<byte> text)
    {
        ulong length = (ulong)text.Length, factor = K2 + (length * 2);
        if (length > 16)
        {
            ulong a = Word(text) * K1, b = Word(text[8..]), c = Word(text[^8..]) * factor, d = Word(text[^16..]) * K2;
            return Mix(BitOperations.RotateRight(a + b, 43)
                + BitOperations.RotateRight(c, 30)
                + d, a
                + BitOperations.RotateRight(b + K2, 18) + c, factor);
        }

        if (length >= 8)
        {
            ulong a = Word(text) + K2, b = Word(text[^8..]);
            return Mix((BitOperations.RotateRight(b, 37) * factor) + a, (BitOperations.RotateRight(a, 25) + b) * factor, factor);
        }

        if (length >= 4)
            return Mix(length
                + ((ulong)BinaryPrimitives.ReadUInt32LittleEndian(text) << 3), BinaryPrimitives.ReadUInt32LittleEndian(text[^4..]), factor);
        if (length == 0)
            return K2;
        uint y = text[0] + ((uint)text[text.Length >> 1] << 8), z = (uint)text.Length + ((uint)text[^1] << 2);
        ulong mixed = (y * K2) ^ (z * K0);
        return (mixed ^ (mixed >> 47)) * K2;
    }

    /// <summary>SipHash-2-4.</summary>
    public static ulong Sip(ReadOnlySpan<byte> text, ulong key0, ulong key1)
    {
        ulong v0 = key0 ^ 0x736f6d6570736575, v1 = key1 ^ 0x646f72616e646f6d, v2 = key0 ^ 0x6c7967656e657261,
            v3 = key1 ^ 0x7465646279746573;
        Span<byte> padded = stackalloc byte[((text.Length / 8) + 1) * 8];
        padded.Clear();
        text.CopyTo(padded);
        padded[^1] = (byte)text.Length;
        for (; padded.Length > 0; padded = padded[8..])
        {
            ulong word = Word(padded);
            v3 ^= word;
            Rounds(2);
            v0 ^= word;
        }

        v2 ^= 0xff;
        Rounds(4);
        return v0 ^ v1 ^ v2 ^ v3;

        void Rounds(int count)
        {
            for (int i = 0; i < count; i++)
            {
                v0 += v1;
                v1 = BitOperations.RotateLeft(v1, 13) ^ v0;
                v0 = BitOperations.RotateLeft(v0, 32);
                v2 += v3;
                v3 = BitOperations.RotateLeft(v3, 16) ^ v2;
                v0 += v3;
                v3 = BitOperations.RotateLeft(v3, 21) ^ v0;
                v2 += v1;
                v1 = BitOperations.RotateLeft(v1, 17) ^ v2;
                v2 = BitOperations.RotateLeft(v2, 32);
            }
        }
    }

    static ulong Word(ReadOnlySpan<byte> text) => BinaryPrimitives.ReadUInt64LittleEndian(text);

    static ulong Mix(ulong u, ulong v, ulong factor)
    {
        ulong a = (u ^ v) * factor;
        a ^= a >> 47;
        ulong b = (v ^ a) * factor;
        b ^= b >> 47;
        return b * factor;
    }
}
