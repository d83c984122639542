using System.Globalization;
using System.Text.Json.Nodes;
using CsCheck;
using Infinorm.Config;

namespace Infinorm.Tests.Config;

public class PythonJsonTests
{
    /// <summary>The texts were printed by Python's <c>json.dumps</c>.</summary>
    [Theory]
    [InlineData(0.0, "0.0")]
    [InlineData(-1.0, "-1.0")]
    [InlineData(0.1, "0.1")]
    [InlineData(0.0001, "0.0001")]
    [InlineData(1e-05, "1e-05")]
    [InlineData(9.9e-05, "9.9e-05")]
    [InlineData(1e-07, "1e-07")]
    [InlineData(1e15, "1000000000000000.0")]
    [InlineData(1e+16, "1e+16")]
    [InlineData(1e+17, "1e+17")]
    [InlineData(123456789012345.6, "123456789012345.6")]
    [InlineData(1234567890123456.8, "1234567890123456.8")]
    [InlineData(1.2345678901234568e+16, "1.2345678901234568e+16")]
    [InlineData(9999999999999998.0, "9999999999999998.0")]
    [InlineData(-1.5e+16, "-1.5e+16")]
    [InlineData(1e+22, "1e+22")]
    [InlineData(1e+23, "1e+23")]
    [InlineData(5e-324, "5e-324")]
    [InlineData(1.7976931348623157e+308, "1.7976931348623157e+308")]
    [InlineData(2.2250738585072014e-308, "2.2250738585072014e-308")]
    [InlineData(1.0 / (1 << 25), "2.9802322387695312e-08")] // .NET alone writes a number that reads back as another one
    [InlineData(4.1045368012983762e-289, "4.1045368012983762e-289")]
    [InlineData(0.0010000000474974513, "0.0010000000474974513")]
    [InlineData(1.0000000150474662e+30, "1.0000000150474662e+30")]
    [InlineData(1.0 / 3, "0.3333333333333333")]
    [InlineData(32768.0, "32768.0")]
    [InlineData(double.NaN, "NaN")]
    [InlineData(double.PositiveInfinity, "Infinity")]
    [InlineData(double.NegativeInfinity, "-Infinity")]
    public void WritesADoubleAsPythonDoes(double value, string expected) => Assert.Equal(expected, PythonJson.Write(value));

    [Fact]
    public void WritesNegativeZero() => Assert.Equal("-0.0", PythonJson.Write(-0.0));

    [Fact]
    public void WritesAFloatAsTheDoubleItIs() => Assert.Equal("0.10000000149011612", PythonJson.Write(0.1f));

    [Fact]
    public void EveryDoubleReadsBackAsItself() => Gen.Double.Sample(x =>
    {
        string text = PythonJson.Write(x);
        double back = double.Parse(text, CultureInfo.InvariantCulture);
        return BitConverter.DoubleToInt64Bits(back) == BitConverter.DoubleToInt64Bits(x) && text.IndexOfAny(['.', 'e', 'N', 'I']) >= 0;
    });

    [Fact]
    public void EveryPowerOfTwoReadsBackAsItself()
    {
        for (int exponent = -1074; exponent < 1024; exponent++)
        {
            double power = Math.ScaleB(1, exponent);
            Assert.Equal(power, double.Parse(PythonJson.Write(power), CultureInfo.InvariantCulture));
        }
    }

    [Fact]
    public void WritesEveryKindOfNode()
    {
        var node = new JsonObject
        {
            ["a"] = new JsonArray(1, 2.5, new JsonObject { ["b"] = null }),
            ["c"] = new JsonObject(),
            ["d"] = new JsonArray(),
            ["e"] = true,
            ["f"] = false,
            ["g"] = long.MinValue,
        };
        Assert.Equal(
            """{"a": [1, 2.5, {"b": null}], "c": {}, "d": [], "e": true, "f": false, "g": -9223372036854775808}""", PythonJson.Write(node));
        Assert.Equal("null", PythonJson.Write(null));
    }

    [Fact]
    public void EscapesStringsAndKeysToAscii()
    {
        const string text = "é\"\\/\b\f\n\r\t\0\u001f\u007f~😀\u2028";
        const string expected = """
            "\u00e9\"\\/\b\f\n\r\t\u0000\u001f\u007f~\ud83d\ude00\u2028"
            """;
        Assert.Equal(expected, PythonJson.Write(text));
        Assert.Equal($"{{{expected}: 1}}", PythonJson.Write(new JsonObject { [text] = 1 }));
    }

    [Theory]
    [InlineData("1.50", "1.5")]
    [InlineData("1E5", "100000.0")]
    [InlineData("1e-7", "1e-07")]
    [InlineData("7", "7")]
    [InlineData("-0", "0")]
    [InlineData("123456789012345678901234567890", "123456789012345678901234567890")]
    [InlineData("""[ 1 ,{"x":true}]""", """[1, {"x": true}]""")]
    public void WritesWhatItReadAsPythonWould(string text, string expected) =>
        Assert.Equal(expected, PythonJson.Write(PythonJson.Parse(text)));

    [Fact]
    public void WhatItWroteItReads()
    {
        var leaf = Gen.OneOf(
            Gen.Double[-1e300, 1e300].Select(x => (JsonNode?)x), Gen.Long.Select(x => (JsonNode?)x), Gen.Bool.Select(x => (JsonNode?)x),
            Gen.String[Gen.Char.AlphaNumeric, 0, 8].Select(x => (JsonNode?)x), Gen.Char[' ', '\ud7ff'].Select(x => (JsonNode?)x.ToString()),
            Gen.Const((JsonNode?)null));
        var array = leaf.Array[0, 5].Select(items => (JsonNode)new JsonArray(items));
        array.Sample(node =>
        {
            string text = PythonJson.Write(node);
            Assert.Equal(text, PythonJson.Write(PythonJson.Parse(text)));
            Assert.True(text.All(char.IsAscii));
        });
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("""{"a": 1, "a": 2}""")]
    [InlineData("""{"b": {"a": 1, "a": 2}}""")]
    [InlineData("[1] x")]
    [InlineData("[1,]")]
    [InlineData("// no\n1")]
    [InlineData("nan")]
    [InlineData("-NaN")]
    [InlineData("1NaN")]
    [InlineData("NaN5")]
    [InlineData("[NaN NaN]")]
    [InlineData("{NaN: 1}")]
    [InlineData("+Infinity")]
    [InlineData("--Infinity")]
    [InlineData("1Infinity")]
    [InlineData("Infinity5")]
    [InlineData("01")]
    [InlineData("{'a': 1}")]
    [InlineData("""{"a": "\ud800"}""")]
    [InlineData("""{"\ud800": 1}""")]
    public void RefusesWhatIsNotStrictJson(string text) => Assert.Throws<FormatException>(() => PythonJson.Parse(text));

    [Fact]
    public void RefusesATextThatIsNotUnicode() => Assert.Throws<FormatException>(() => PythonJson.Parse("\"\ud800\""));

    [Theory]
    [InlineData("NaN")]
    [InlineData("-Infinity")]
    [InlineData("""{"a": [NaN, 0e0, {"NaN": "NaN, -Infinity \" NaN"}, [Infinity, -Infinity, [NaN]]], "b": NaN, "c": 1}""")]
    public void ReadsTheNumbersThatOnlyPythonHas(string text)
    {
        string expected = text.Replace("0e0", "0.0");
        JsonNode node = PythonJson.Parse(text);
        Assert.Equal(expected, PythonJson.Write(node));
        Assert.Equal(expected, PythonJson.Write(node.DeepClone()));
    }

    [Fact]
    public void RefusesBytesThatAreNotUtf8() =>
        Assert.Throws<FormatException>(() => PythonJson.Parse([(byte)'"', 0xFF, (byte)'"'], new PythonJson.Limits(10, 10)));

    [Fact]
    public void ReadsADepthOf64AndNoMore()
    {
        Assert.IsType<JsonArray>(PythonJson.Parse(new string('[', 64) + new string(']', 64)));
        Assert.Throws<FormatException>(() => PythonJson.Parse(new string('[', 65) + new string(']', 65)));
    }

    [Fact]
    public void SaysWhatIsWrong()
    {
        var error = Assert.Throws<FormatException>(() => PythonJson.Parse("""{"a": 1, "a": 2}"""));
        Assert.Equal("Not valid JSON: Duplicate property 'a' encountered during deserialization.", error.Message);
    }
}
