using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Conformance;

/// <summary>An array of the golden data: type, shape and exact bytes.</summary>
/// <param name="Bytes">The elements, little-endian in C order.</param>
/// <param name="Constant">In a packed case: the same value after every step, so there is no axis of steps.</param>
sealed record GoldenArray(DType Dtype, int[] Shape, [property: JsonPropertyName("b64")] byte[] Bytes, bool Constant = false)
{
    public int Length => Shape.Aggregate(1, (product, size) => product * size);

    public NdArray ToNdArray() => NdArray.FromBytes(Dtype, Bytes, Array.ConvertAll(Shape, size => (nint)size));

    public T[] Values<T>() where T : unmanaged => MemoryMarshal.Cast<byte, T>(Bytes).ToArray();

    public Gradient ToGradient() => Dtype switch
    {
        DType.Float16 => Values<Half>(),
        DType.BFloat16 => Values<BFloat16>(),
        DType.Float32 => Values<float>(),
        DType.Float64 => Values<double>(),
        _ => throw new NotSupportedException($"A gradient of {Dtype}."),
    };

    public Gradient ToRows(int[] indices) => Dtype switch
    {
        DType.Float16 => Gradient.Rows(indices, Values<Half>()),
        DType.BFloat16 => Gradient.Rows(indices, Values<BFloat16>()),
        DType.Float32 => Gradient.Rows(indices, Values<float>()),
        DType.Float64 => Gradient.Rows(indices, Values<double>()),
        _ => throw new NotSupportedException($"A row gradient of {Dtype}."),
    };

    /// <summary>The value after step <paramref name="step"/> of an array whose leading axis is the step.</summary>
    public GoldenArray At(int step)
    {
        if (Constant)
            return this;
        int size = Bytes.Length / Shape[0];
        return new GoldenArray(Dtype, Shape[1..], Bytes[(step * size)..((step + 1) * size)]);
    }
}

/// <summary>A gradient of the golden data: dense, or rows of an embedding table.</summary>
[JsonConverter(typeof(Converter))]
abstract record GoldenGradient
{
    /// <summary>The shape of the variable that the gradient fits.</summary>
    public abstract int[] Shape { get; }

    public abstract Gradient ToGradient();

    public sealed record Dense(GoldenArray Array) : GoldenGradient
    {
        public override int[] Shape => Array.Shape;

        public override Gradient ToGradient() => Array.ToGradient();
    }

    public sealed record Rows(int[] Indices, GoldenArray Values, int[] DenseShape) : GoldenGradient
    {
        public override int[] Shape => DenseShape;

        public bool HasDuplicates => Indices.Distinct().Count() < Indices.Length;

        public override Gradient ToGradient() => Values.ToRows(Indices);
    }

    sealed class Converter : JsonConverter<GoldenGradient>
    {
        public override GoldenGradient Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            JsonElement element = JsonElement.ParseValue(ref reader);
            return element.TryGetProperty("indices", out _)
                ? GoldenJson.Read<Rows>(element)
                : new Dense(GoldenJson.Read<GoldenArray>(element));
        }

        public override void Write(Utf8JsonWriter writer, GoldenGradient value, JsonSerializerOptions options) =>
            throw new NotSupportedException();
    }
}
