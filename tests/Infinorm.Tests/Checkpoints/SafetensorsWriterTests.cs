using System.Text;
using CsCheck;
using Infinorm.Checkpoints;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Checkpoints;

public class SafetensorsWriterTests
{
    static readonly Gen<string> Name = Gen.String[Gen.Char['\0', '\uD7FF'], 0, 12];

    [Fact]
    public void WritesTheBytesThatTheFormatSays()
    {
        byte[] file = Write([new("k", "\"v\"")], Tensor("h", NdArray.Create([(Half)1])), Tensor("f", NdArray.Create([1f, 2f], [2, 1])));
        const string header = """{"__metadata__":{"k":"\u0022v\u0022"},"f":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"h":{"dtype":"F16","shape":[1],"data_offsets":[8,10]}}""";
        int padded = (header.Length + 7) / 8 * 8;
        byte[] expected =
        [
            (byte)padded, 0, 0, 0, 0, 0, 0, 0, .. Encoding.ASCII.GetBytes(header.PadRight(padded)), 0, 0, 0x80, 0x3F, 0, 0, 0, 0x40, 0, 0x3C,
        ];
        Assert.Equal(expected, file);
    }

    [Fact]
    public void WhatIsWrittenReadsBackWithBothReadersAndIsAligned() =>
        Gen.Select(Name, Gen.Enum<DType>(), Gen.Int[0, 5].Array[0, 3], Gen.Int).Array[0, 8].Sample(tensors =>
        {
            var arrays = tensors.DistinctBy(tensor => tensor.Item1).ToDictionary(tensor => tensor.Item1, tensor => MakeArray(tensor.Item2, tensor.Item3, tensor.Item4));
            byte[] bytes = Write([], [.. arrays.Select(pair => Tensor(pair.Key, pair.Value))]);
            var plain = new PlainSafetensors(bytes);
            using var file = new SafetensorsFile(new MemoryStream(bytes), "x");
            Assert.Equal(arrays.Keys.Order(StringComparer.Ordinal), plain.Names.Order(StringComparer.Ordinal));
            Assert.Equal(plain.Names, file.Tensors.Keys);
            Assert.Equal(0, plain.DataStart % 8);
            int end = 0;
            foreach (string name in plain.Names) // in the order of the data, without holes
            {
                NdArray array = arrays[name];
                Assert.Equal((end, end += array.Bytes.Length), plain.Offsets(name));
                Assert.Equal(0, plain.Offsets(name).Begin % array.DType.Size());
                Assert.Equal(array.Bytes, plain[name].Bytes);
                Assert.Equal(array.Shape.ToArray().Select(size => (long)size), plain[name].Shape);
                NdArray read = file.Read(file.Tensors[name]);
                Assert.Equal(array.DType, read.DType);
                Assert.Equal(array.Shape, read.Shape);
                Assert.Equal(array.Bytes, read.Bytes);
            }
        });

    [Fact]
    public void RefusesNamesThatWouldNotBeReadAndWritesNothing()
    {
        NdArray one = NdArray.Create([1f]);
        Refuses("Two tensors are named \"a\", or it is the name of the metadata.", Tensor("a", one), Tensor("a", one));
        Refuses("Two tensors are named \"__metadata__\", or it is the name of the metadata.", Tensor("__metadata__", one));
        Refuses("\"\uD800\" is not Unicode: it has a lone surrogate.", Tensor("\uD800", one));
        Refuses("The name of a tensor has 32769 characters; at most 32768 are supported.", Tensor(new string('a', 32_769), one));
        string name = new('a', 32_000);
        Refuses("The header would have 105805672 bytes; at most 100000000 are supported.",
            [.. Enumerable.Range(0, 3300).Select(i => Tensor(name + i.ToString("D4"), one))]);
    }

    [Fact]
    public void MoreThan2GigabytesInATensorAndInAFileAreWrittenAndRead()
    {
        const int length = 600_000_000;
        var piece = new byte[1 << 20];
        void WriteZeros(Stream stream, long count)
        {
            for (long left = count; left > 0; left -= piece.Length)
                stream.Write(piece.AsSpan(0, (int)Math.Min(left, piece.Length)));
        }

        void WriteZerosAnd7(Stream stream)
        {
            WriteZeros(stream, 4L * (length - 1));
            stream.Write(BitConverter.GetBytes(7f));
        }

        var stream = new EndsStream();
        SafetensorsWriter.Write(stream, [],
            [new("a", DType.Float32, [length], to => WriteZeros(to, 4L * length)), new("b", DType.Float32, [2, length / 2], WriteZerosAnd7)]);

        // Between what was written first and last lie zeros, which nobody keeps.
        using var file = new SafetensorsFile(new EndsStream(stream), "x");
        SafetensorsEntry last = file.Tensors["b"];
        Assert.Equal(4L * length, last.Offset);
        NdArray read = file.Read(last);
        Assert.Equal(length, read.Length);
        Assert.Equal(length - 1, read.AsSpan<float>().IndexOfAnyExcept(0));
        Assert.Equal(7, read.AsSpan<float>()[^1]);
        Refusal.Is<NotSupportedException>(
            "The array has 2400000000 bytes, a span at most 2147483647; AsSpan counts elements.", () => _ = read.Bytes.Length);
    }

    static NdArray MakeArray(DType dtype, int[] shape, int seed)
    {
        var bytes = new byte[shape.Aggregate(1, (length, size) => length * size) * dtype.Size()];
        new Random(seed).NextBytes(bytes);
        return NdArray.FromBytes(dtype, bytes, Array.ConvertAll(shape, size => (nint)size));
    }

    static SafetensorsTensor Tensor(string name, NdArray array) => SafetensorsTensor.Of(name, array);

    static byte[] Write(KeyValuePair<string, string>[] metadata, params SafetensorsTensor[] tensors)
    {
        var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, metadata, tensors);
        return stream.ToArray();
    }

    static void Refuses(string message, params SafetensorsTensor[] tensors)
    {
        var stream = new MemoryStream();
        Refusal.Is<ArgumentException>(message, () => SafetensorsWriter.Write(stream, [], tensors));
        Assert.Equal(0, stream.Length);
    }

    /// <summary>Keeps the first and the last of what is written; in between everything is zero.</summary>
    sealed class EndsStream : Stream
    {
        const int Kept = 1024;

        readonly byte[] _first = new byte[Kept], _last = new byte[Kept];
        long _length;

        public EndsStream()
        {
        }

        public EndsStream(EndsStream written) => (_first, _last, _length) = (written._first, written._last, written._length);

        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => true;

        public override long Length => _length;

        public override long Position { get; set; }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count)
        {
            Span<byte> bytes = buffer.AsSpan(offset, count);
            bytes.Clear();
            for (long at = Position; at < Math.Min(Kept, Position + count); at++)
                bytes[(int)(at - Position)] = _first[at];
            for (long at = Math.Max(Position, _length - Kept); at < Position + count; at++)
                bytes[(int)(at - Position)] = _last[at - (_length - Kept)];
            Position += count;
            return count;
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count)
        {
            ReadOnlySpan<byte> bytes = buffer.AsSpan(offset, count);
            if (_length < Kept)
                bytes[..(int)Math.Min(count, Kept - _length)].CopyTo(_first.AsSpan((int)_length));
            byte[] last = [.. _last, .. bytes[Math.Max(0, count - Kept)..]];
            last.AsSpan(last.Length - Kept).CopyTo(_last);
            _length += count;
        }
    }
}
