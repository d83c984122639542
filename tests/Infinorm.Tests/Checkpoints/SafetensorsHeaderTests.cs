using System.Text;
using Infinorm.Checkpoints;
using Infinorm.Types;

namespace Infinorm.Tests.Checkpoints;

public class SafetensorsHeaderTests
{
    const string Pair = """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""";

    [Fact]
    public void ReadsTensorsInTheHeadersOrderWhateverThatOfTheirData()
    {
        SafetensorsHeader header = Parse(
            """{"b":{"data_offsets":[8,10],"shape":[],"dtype":"BF16"},"__metadata__":{"key":"välue\n"},"a":{"dtype":"I64","shape":[1,1],"data_offsets":[0,8]}}   """,
            10);
        Assert.Equal(["b bfloat16[] 8 2", "a int64[1, 1] 0 8"], header.Tensors.Values.Select(entry => $"{entry} {entry.Offset} {entry.ByteLength}"));
        Assert.Equal("välue\n", header.Metadata["key"]);
    }

    [Fact]
    public void EmptyTensorsMayLieAnywhereBetweenOthers()
    {
        SafetensorsHeader header = Parse(Pair.Replace("}}", "}") + ""","e":{"dtype":"F64","shape":[0,9223372036854775807],"data_offsets":[8,8]}}""", 16);
        Assert.Equal(0, header.Tensors["e"].Length);
        Assert.Empty(Parse("{}", 0).Tensors);
    }

    [Theory]
    [InlineData("F16", DType.Float16)]
    [InlineData("BF16", DType.BFloat16)]
    [InlineData("F32", DType.Float32)]
    [InlineData("F64", DType.Float64)]
    [InlineData("I32", DType.Int32)]
    [InlineData("I64", DType.Int64)]
    public void ReadsEveryType(string name, DType dtype)
    {
        int size = dtype.Size();
        string header = $$$"""{"a":{"dtype":"{{{name}}}","shape":[3],"data_offsets":[0,{{{3 * size}}}]}}""";
        Assert.Equal(dtype, Parse(header, 3 * size).Tensors["a"].DType);
    }

    [Theory]
    [InlineData("", "the header does not begin with '{'")]
    [InlineData(" {}", "the header does not begin with '{'")]
    [InlineData("[]", "the header does not begin with '{'")]
    [InlineData("{", "the header is not valid JSON")]
    [InlineData("{}x", "the header is not valid JSON")]
    [InlineData("""{"a":{"shape":[[""", "the header is not valid JSON")]
    [InlineData("""{"a":1}""", "a: expected an object, found Number")]
    [InlineData("""{"a":{}}""", "a: a tensor has a dtype, a shape and two data_offsets")]
    [InlineData("""{"a":{"dtype":null}}""", "a: expected a string as dtype, found Null")]
    [InlineData("""{"a":{"dtype":"F32","x":1}}""", "a: the key \"x\" is unknown or occurs twice")]
    [InlineData("""{"a":{"dtype":"F32","dtype":"F32"}}""", "a: the key \"dtype\" is unknown or occurs twice")]
    [InlineData("""{"a":{"shape":{}}}""", "a: expected a list, found StartObject")]
    [InlineData("""{"a":{"shape":[-1]}}""", "a: sizes and offsets are whole numbers from 0 to 9223372036854775807")]
    [InlineData("""{"a":{"shape":[1.0]}}""", "a: sizes and offsets are whole numbers from 0 to 9223372036854775807")]
    [InlineData("""{"a":{"shape":[9223372036854775808]}}""", "a: sizes and offsets are whole numbers from 0 to 9223372036854775807")]
    [InlineData("""{"a":{"shape":["1"]}}""", "a: sizes and offsets are whole numbers from 0 to 9223372036854775807")]
    [InlineData("""{"a":{"data_offsets":[0,1,2]}}""", "a: a list has more than 2 numbers")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}""", "a: a tensor has a dtype, a shape and two data_offsets")]
    [InlineData("""{"a":{"dtype":"F128","shape":[1],"data_offsets":[0,16]}}""",
        "a: the dtype \"F128\" is not supported; F16, BF16, F32, F64, I32, I64, U8, BOOL, I8, I16, U16, U32, U64, C64, F4,")]
    [InlineData("""{"a":{"dtype":"I8","shape":[3],"data_offsets":[0,4]}}""", "a I8[3] has 3 bytes, its data_offsets [0, 4] say 4")]
    [InlineData("""{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}""",
        "the name \"a\" occurs twice")]
    [InlineData("""{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}""",
        "the name \"a\" occurs twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", "a float32[2] has 8 bytes, its data_offsets [0, 4] say 4")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", "a float32[2] has 8 bytes, its data_offsets [8, 0] say -8")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""",
        "a: The shape [4294967296, 4294967296] has more than 2147483591 elements.")]
    [InlineData("""{"__metadata__":[]}""", "__metadata__: expected an object, found StartArray")]
    [InlineData("""{"__metadata__":{"a":1}}""", "__metadata__: expected an object of strings, found Number")]
    [InlineData("""{"__metadata__":{"a":"","a":""}}""", "the key \"a\" of the metadata occurs twice")]
    [InlineData("""{"__metadata__":{},"__metadata__":{}}""", "the name \"__metadata__\" occurs twice")]
    [InlineData("""{"\ud800":{}}""", "a string is not Unicode")]
    public void RefusesWhatIsMalformed(string header, string message) =>
        Assert.StartsWith(message, Assert.Throws<FormatException>(() => Parse(header, 0)).Message);

    [Theory]
    [InlineData("[8,16]", "[8,16]", 16, "a: its data begin at 8, those before end at 0")]
    [InlineData("[0,8]", "[4,12]", 12, "b: its data begin at 4, those before end at 8")]
    [InlineData("[0,8]", "[0,8]", 8, "b: its data begin at 0, those before end at 8")]
    [InlineData("[0,8]", "[9,17]", 17, "b: its data begin at 9, those before end at 8")]
    [InlineData("[0,8]", "[8,16]", 15, "b: its data end at 16, the file has 15 bytes of data")]
    [InlineData("[0,8]", "[8,16]", 17, "the tensors have 16 bytes, the file has 17 bytes of data")]
    [InlineData("[0,8]", "[9223372036854775800,9223372036854775808]", 16, "b: sizes and offsets are whole numbers")]
    [InlineData("[0,8]", "[9223372036854775799,9223372036854775807]", 16, "b: its data begin at 9223372036854775799, those before end at 8")]
    public void RefusesOverlapsHolesAndWhatLiesOutside(string a, string b, int dataLength, string message)
    {
        string header = Pair.Replace("[8,16]", b).Replace("\"F32\",\"shape\":[2],\"data_offsets\":[0,8]", $"\"F32\",\"shape\":[2],\"data_offsets\":{a}");
        Assert.StartsWith(message, Assert.Throws<FormatException>(() => Parse(header, dataLength)).Message);
    }

    [Fact]
    public void RefusesANameThatOccursTwiceHoweverItIsWritten()
    {
        string header = Pair.Replace("\"b\"", "\"\\u0061\"");
        Assert.Equal("the name \"a\" occurs twice", Assert.Throws<FormatException>(() => Parse(header, 16)).Message);
    }

    [Fact]
    public void RefusesMoreAxesThan32()
    {
        string Header(int rank) => $$$"""{"a":{"dtype":"F32","shape":[{{{string.Join(',', Enumerable.Repeat(1, rank))}}}],"data_offsets":[0,4]}}""";
        Assert.Equal(32, Parse(Header(32), 4).Tensors["a"].Shape.Length);
        Assert.Equal("a: a list has more than 32 numbers", Assert.Throws<FormatException>(() => Parse(Header(33), 4)).Message);
    }

    [Fact]
    public void RefusesMoreMetadataThan1000Keys()
    {
        string Header(int keys) => "{\"__metadata__\":{" + string.Join(',', Enumerable.Range(0, keys).Select(i => $"\"{i}\":\"\"")) + "}}";
        Assert.Equal(1000, Parse(Header(1000), 0).Metadata.Count);
        Assert.Equal("the metadata have more than 1000 keys", Assert.Throws<FormatException>(() => Parse(Header(1001), 0)).Message);
    }

    [Fact]
    public void RefusesBytesThatAreNotUtf8()
    {
        byte[] header = Encoding.UTF8.GetBytes(Pair);
        header[2] = 0xFF;
        Assert.Equal("a string is not Unicode", Assert.Throws<FormatException>(() => SafetensorsHeader.Parse(header, 16)).Message);
    }

    [Theory]
    [InlineData("BOOL", 5)]
    [InlineData("I8", 5)]
    [InlineData("I16", 10)]
    [InlineData("U64", 40)]
    [InlineData("C64", 40)]
    [InlineData("F8_E4M3", 5)]
    [InlineData("F4", 3)]
    public void ATensorOfAnotherTypeIsListed(string type, int length)
    {
        SafetensorsHeader header = Parse(
            $$$"""{"b":{"dtype":"F32","shape":[2],"data_offsets":[{{{length}}},{{{length + 8}}}]},"a":{"dtype":"{{{type}}}","shape":[5],"data_offsets":[0,{{{length}}}]}}""",
            length + 8);
        Assert.Equal(["b"], header.Tensors.Keys);
        Assert.Equal($"a {type}[5]", Assert.Single(header.Others).Value.ToString());
    }

    [Fact]
    public void RefusesANameThatIsTooLong()
    {
        string tensor = ":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", longest = new('a', 6 << 15);
        Assert.Equal(longest, Assert.Single(Parse($"{{\"{longest}\"{tensor}", 0).Tensors).Key);
        Assert.Equal("a name has 196609 bytes; at most 196608 are supported",
            Assert.Throws<FormatException>(() => Parse($"{{\"{longest}a\"{tensor}", 0)).Message);
    }

    static SafetensorsHeader Parse(string header, long dataLength) => SafetensorsHeader.Parse(Encoding.UTF8.GetBytes(header), dataLength);
}
