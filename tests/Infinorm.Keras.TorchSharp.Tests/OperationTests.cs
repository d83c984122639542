using System.Reflection;
using Infinorm.Keras.Torch.Graph;
using static Infinorm.Keras.Torch.Tests.SmallModel;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Tests;

/// <summary>
/// All operations of graphs. Each takes x = [[-2, 0.5, 3], [1, -1, 4]], and some y of the same shape, if nothing else is said. Keys that begin
/// with "arg" in the configs are arguments of the call.
/// </summary>
public sealed class OperationTests
{
    static readonly double[] X = [-2, 0.5, 3, 1, -1, 4], Y = [2, 1, 1, 2, -1, 3], Fractions = [0.1, 0.5, 0.25, 0.9, 0.3, 0.7];

    [Theory]
    [InlineData("Abs", "{}")]
    [InlineData("Absolute", "{}")]
    [InlineData("Arcsinh", "{}")]
    [InlineData("Arctan", "{}")]
    [InlineData("Array", """{"dtype": null}""")]
    [InlineData("Cbrt", "{}")]
    [InlineData("Ceil", "{}")]
    [InlineData("Celu", """{"alpha": 2.0}""")]
    [InlineData("Clip", """{"x_min": -1.5, "x_max": 2}""")]
    [InlineData("ConvertToTensor", """{"dtype": null, "sparse": null}""")]
    [InlineData("Copy", "{}")]
    [InlineData("Cos", "{}")]
    [InlineData("Cosh", "{}")]
    [InlineData("Deg2rad", "{}")]
    [InlineData("Elu", """{"alpha": 2.0}""")]
    [InlineData("Exp", "{}")]
    [InlineData("Exp2", "{}")]
    [InlineData("Expm1", "{}")]
    [InlineData("Floor", "{}")]
    [InlineData("Gelu", """{"approximate": true}""")]
    [InlineData("HardShrink", """{"threshold": 0.75}""")]
    [InlineData("HardSigmoid", "{}")]
    [InlineData("HardSilu", "{}")]
    [InlineData("HardTanh", "{}")]
    [InlineData("LeakyRelu", """{"negative_slope": 0.3}""")]
    [InlineData("LogSigmoid", "{}")]
    [InlineData("LogicalNot", "{}")]
    [InlineData("Mish", "{}")]
    [InlineData("Negative", "{}")]
    [InlineData("OnesLike", "{}")]
    [InlineData("Rad2deg", "{}")]
    [InlineData("Reciprocal", "{}")]
    [InlineData("Relu", "{}")]
    [InlineData("Relu6", "{}")]
    [InlineData("Round", """{"decimals": 0}""")]
    [InlineData("Selu", "{}")]
    [InlineData("Sigmoid", "{}")]
    [InlineData("Sign", "{}")]
    [InlineData("Signbit", "{}")]
    [InlineData("Silu", "{}")]
    [InlineData("Sin", "{}")]
    [InlineData("Sinc", "{}")]
    [InlineData("Sinh", "{}")]
    [InlineData("SoftShrink", """{"threshold": 0.75}""")]
    [InlineData("Softplus", "{}")]
    [InlineData("Softsign", "{}")]
    [InlineData("SparsePlus", "{}")]
    [InlineData("SparseSigmoid", "{}")]
    [InlineData("Square", "{}")]
    [InlineData("Squareplus", """{"b": 3}""")]
    [InlineData("StopGradient", "{}")]
    [InlineData("Tan", "{}")]
    [InlineData("Tanh", "{}")]
    [InlineData("TanhShrink", "{}")]
    [InlineData("Threshold", """{"threshold": 0.75, "default_value": 7.0}""")]
    [InlineData("Threshold", """{"threshold_value": 0.75, "value": 7.0}""")]
    [InlineData("Trunc", "{}")]
    [InlineData("ZerosLike", "{}")]
    public void OfOneNumber(string name, string config) => Check(name, config, [.. X.Select(x => name switch
    {
        "Abs" or "Absolute" => Math.Abs(x),
        "Arcsinh" => Math.Asinh(x),
        "Arctan" => Math.Atan(x),
        "Array" or "ConvertToTensor" or "Copy" or "StopGradient" => x,
        "Cbrt" => Math.Cbrt(x),
        "Ceil" => Math.Ceiling(x),
        "Celu" => x > 0 ? x : 2 * (Math.Exp(x / 2) - 1),
        "Clip" => Math.Clamp(x, -1.5, 2),
        "Cos" => Math.Cos(x),
        "Cosh" => (Math.Exp(x) + Math.Exp(-x)) / 2,
        "Deg2rad" => x * Math.PI / 180,
        "Elu" => x > 0 ? x : 2 * (Math.Exp(x) - 1),
        "Exp" => Math.Exp(x),
        "Exp2" => Math.Pow(2, x),
        "Expm1" => Math.Exp(x) - 1,
        "Floor" => Math.Floor(x),
        "Gelu" => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))),
        "HardShrink" => Math.Abs(x) > 0.75 ? x : 0,
        "HardSigmoid" => Math.Clamp((x + 3) / 6, 0, 1),
        "HardSilu" => x * Math.Clamp((x + 3) / 6, 0, 1),
        "HardTanh" => Math.Clamp(x, -1, 1),
        "LeakyRelu" => x > 0 ? x : 0.3 * x,
        "LogSigmoid" => -Math.Log(1 + Math.Exp(-x)),
        "LogicalNot" or "ZerosLike" => 0,
        "Mish" => x * Math.Tanh(Math.Log(1 + Math.Exp(x))),
        "Negative" => -x,
        "OnesLike" => 1,
        "Rad2deg" => x * 180 / Math.PI,
        "Reciprocal" => 1 / x,
        "Relu" => Math.Max(x, 0),
        "Relu6" => Math.Clamp(x, 0, 6),
        "Round" => Math.Round(x, MidpointRounding.ToEven),
        "Selu" => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * (Math.Exp(x) - 1)),
        "Sigmoid" => 1 / (1 + Math.Exp(-x)),
        "Sign" => Math.Sign(x),
        "Signbit" => x < 0 ? 1 : 0,
        "Silu" => x / (1 + Math.Exp(-x)),
        "Sin" => Math.Sin(x),
        "Sinc" => Math.Sin(Math.PI * x) / (Math.PI * x),
        "Sinh" => (Math.Exp(x) - Math.Exp(-x)) / 2,
        "SoftShrink" => Math.Abs(x) > 0.75 ? x - (Math.Sign(x) * 0.75) : 0,
        "Softplus" => Math.Log(1 + Math.Exp(x)),
        "Softsign" => x / (1 + Math.Abs(x)),
        "SparsePlus" => x <= -1 ? 0 : x >= 1 ? x : (x + 1) * (x + 1) / 4,
        "SparseSigmoid" => Math.Clamp((x + 1) / 2, 0, 1),
        "Square" => x * x,
        "Squareplus" => (x + Math.Sqrt((x * x) + 3)) / 2,
        "Tan" => Math.Tan(x),
        "Tanh" => Math.Tanh(x),
        "TanhShrink" => x - Math.Tanh(x),
        "Threshold" => x > 0.75 ? x : 7,
        "Trunc" => Math.Truncate(x),
        _ => throw new ArgumentException(name),
    })]);

    [Theory]
    [InlineData("Arccos")]
    [InlineData("Arccosh")]
    [InlineData("Arcsin")]
    [InlineData("Arctanh")]
    [InlineData("Log")]
    [InlineData("Log10")]
    [InlineData("Log1p")]
    [InlineData("Log2")]
    [InlineData("Rsqrt")]
    [InlineData("Sqrt")]
    public void OfOnePositiveNumber(string name)
    {
        double[] input = name == "Arccosh" ? [.. Fractions.Select(x => 1 + x)] : Fractions;
        Check(name, "{}", [.. input.Select(x => name switch
        {
            "Arccos" => Math.Acos(x),
            "Arccosh" => Math.Acosh(x),
            "Arcsin" => Math.Asin(x),
            "Arctanh" => Math.Atanh(x),
            "Log" => Math.Log(x),
            "Log10" => Math.Log10(x),
            "Log1p" => Math.Log(1 + x),
            "Log2" => Math.Log2(x),
            "Rsqrt" => 1 / Math.Sqrt(x),
            "Sqrt" => Math.Sqrt(x),
            _ => throw new ArgumentException(name),
        })], input);
    }

    [Fact]
    public void ErfinvIsTheInverseOfErf() =>
        Check("Erfinv", "{}", [0.08885599, 0.4769363, 0.2253121, 1.163087, 0.2724627, 0.7328691], Fractions);

    [Theory]
    [InlineData("Isfinite", """{}""", new[] { 1.0, 0, 0, 0, 1, 1 })]
    [InlineData("Isinf", """{}""", new[] { 0.0, 1, 1, 0, 0, 0 })]
    [InlineData("Isnan", """{}""", new[] { 0.0, 0, 0, 1, 0, 0 })]
    [InlineData("Isneginf", """{}""", new[] { 0.0, 0, 1, 0, 0, 0 })]
    [InlineData("Isposinf", """{}""", new[] { 0.0, 1, 0, 0, 0, 0 })]
    [InlineData("LogicalNot", """{}""", new[] { 1.0, 0, 0, 0, 0, 0 })]
    [InlineData("NanToNum", """{"nan": 7.0, "posinf": 8.0, "neginf": -9.0}""", new[] { 0.0, 8, -9, 7, 2, -3 })]
    [InlineData("Nanmax", """{"axis": 1, "keepdims": false}""", new[] { double.PositiveInfinity, 2 })]
    [InlineData("Nanmin", """{"axis": [1], "keepdims": true}""", new[] { double.NegativeInfinity, -3 })]
    [InlineData("Nansum", """{"axis": 0, "keepdims": false}""", new[] { 0, double.PositiveInfinity, double.NegativeInfinity })]
    [InlineData("Nanmean", """{"axis": 1, "keepdims": false}""", new[] { double.NaN, -0.5 })]
    [InlineData("Isclose", """{"equal_nan": true, "arg1": [[0.0, Infinity, 1.0], [NaN, 2.1, -3.0]], "arg2": 1e-5, "arg3": 1e-8}""", new[] { 1.0, 1, 0, 1, 0, 1 })]
    [InlineData("Isclose", """{"equal_nan": false, "arg1": [[0.2, Infinity, 1.0], [NaN, 2.1, -3.5]], "arg2": 0.1, "arg3": 0.15}""", new[] { 0.0, 1, 0, 0, 1, 1 })]
    [InlineData("Isclose", """{"rtol": 0.1, "atol": 0.15, "equal_nan": false, "arg1": [[0.2, 1.0, 1.0], [NaN, 2.1, -3.5]]}""", new[] { 0.0, 0, 0, 0, 1, 1 })]
    public void OfNumbersThatAreNone(string name, string config, double[] expected)
    {
        using var scope = NewDisposeScope();
        float[] found = Values(Run(name, config, [0, double.PositiveInfinity, double.NegativeInfinity, double.NaN, 2, -3]));
        Assert.Equal(expected.Select(value => (float)value), found);
    }

    [Theory]
    [InlineData("Nanvar", """{"axis": 1, "keepdims": false}""", new[] { 0.0, 6.25 })]
    [InlineData("Nanstd", """{"axis": 1, "keepdims": true}""", new[] { 0.0, 2.5 })]
    [InlineData("Nanmean", """{"axis": null, "keepdims": false}""", new[] { 1.0 / 3 })]
    [InlineData("Nansum", """{"axis": null, "keepdims": true}""", new[] { 1.0 })]
    public void WithoutNaN(string name, string config, double[] expected) =>
        Check(name, config, expected, [double.NaN, 2, double.NaN, double.NaN, 2, -3]);

    [Fact]
    public void TheGreatestOfNothingIsNoNumber()
    {
        using var scope = NewDisposeScope();
        double[] x = [double.NaN, double.NaN, double.NaN, 1, 2, double.NaN];
        Assert.Equal([float.NaN, 2], Values(Run("Nanmax", """{"axis": 1, "keepdims": false}""", x)));
        Assert.Equal([float.NaN, 1], Values(Run("Nanmin", """{"axis": -1, "keepdims": false}""", x)));
    }

    [Theory]
    [InlineData("Add")]
    [InlineData("Arctan2")]
    [InlineData("Divide")]
    [InlineData("DivideNoNan")]
    [InlineData("Equal")]
    [InlineData("FloorDivide")]
    [InlineData("Greater")]
    [InlineData("GreaterEqual")]
    [InlineData("Heaviside")]
    [InlineData("Hypot")]
    [InlineData("Less")]
    [InlineData("LessEqual")]
    [InlineData("Logaddexp")]
    [InlineData("Logaddexp2")]
    [InlineData("LogicalAnd")]
    [InlineData("LogicalOr")]
    [InlineData("LogicalXor")]
    [InlineData("Maximum")]
    [InlineData("Minimum")]
    [InlineData("Mod")]
    [InlineData("Multiply")]
    [InlineData("NotEqual")]
    [InlineData("Power")]
    [InlineData("Subtract")]
    [InlineData("TrueDivide")]
    [InlineData("Xlogy")]
    public void OfTwoNumbers(string name)
    {
        double[] left = [.. X[..5], 0], right = name == "Xlogy" ? Fractions : Y;
        CheckTwo(name, "{}", left, right, [.. left.Zip(right, (x, y) => name switch
        {
            "Add" => x + y,
            "Arctan2" => Math.Atan2(x, y),
            "Divide" or "TrueDivide" or "DivideNoNan" => x / y,
            "Equal" => x == y ? 1 : 0,
            "FloorDivide" => Math.Floor(x / y),
            "Greater" => x > y ? 1 : 0,
            "GreaterEqual" => x >= y ? 1 : 0,
            "Heaviside" => x < 0 ? 0 : x > 0 ? 1 : y,
            "Hypot" => Math.Sqrt((x * x) + (y * y)),
            "Less" => x < y ? 1 : 0,
            "LessEqual" => x <= y ? 1 : 0,
            "Logaddexp" => Math.Log(Math.Exp(x) + Math.Exp(y)),
            "Logaddexp2" => Math.Log2(Math.Pow(2, x) + Math.Pow(2, y)),
            "LogicalAnd" => x != 0 && y != 0 ? 1 : 0,
            "LogicalOr" => x != 0 || y != 0 ? 1 : 0,
            "LogicalXor" => (x != 0) != (y != 0) ? 1.0 : 0,
            "Maximum" => Math.Max(x, y),
            "Minimum" => Math.Min(x, y),
            "Mod" => x - (y * Math.Floor(x / y)),
            "Multiply" => x * y,
            "NotEqual" => x != y ? 1 : 0,
            "Power" => Math.Pow(x, y),
            "Subtract" => x - y,
            "Xlogy" => x == 0 ? 0 : x * Math.Log(y),
            _ => throw new ArgumentException(name),
        })]);
    }

    [Theory]
    [InlineData("Outer", new[] { -4.0, -2, -2, -4, 2, -6 })]
    [InlineData("Vdot", new[] { 14.5 })]
    [InlineData("Kron", new[] { -4.0, -2, -2 })]
    [InlineData("Inner", new[] { -0.5, 4.5, 5, 15 })]
    [InlineData("Cross", new[] { -2.5, 8, -3, 1, 5, 1 })]
    public void OfTwoArrays(string name, double[] expected)
    {
        using var scope = NewDisposeScope();
        float[] found = Values(RunTwo(name, "{}", X, Y));
        AssertClose(expected, tensor(found[..expected.Length]));
    }

    [Theory]
    [InlineData("Sort", """{"axis": 1}""", new[] { -2, 0.5, 3, -1, 1, 4 })]
    [InlineData("Sort", """{"axis": 0}""", new[] { -2, -1, 3, 1, 0.5, 4 })]
    [InlineData("Sort", """{"axis": null}""", new[] { -2, -1, 0.5, 1, 3, 4 })]
    [InlineData("Argsort", """{"axis": 1}""", new[] { 0.0, 1, 2, 1, 0, 2 })]
    [InlineData("Argsort", """{"axis": null}""", new[] { 0.0, 4, 1, 3, 2, 5 })]
    [InlineData("Cumprod", """{"axis": 1, "dtype": null}""", new[] { -2.0, -1, -3, 1, -1, -4 })]
    [InlineData("Cumprod", """{"axis": null}""", new[] { -2.0, -1, -3, -3, 3, 12 })]
    [InlineData("Cumsum", """{"axis": -1, "dtype": null}""", new[] { -2, -1.5, 1.5, 1, 0, 4 })]
    [InlineData("Cumsum", """{"axis": null}""", new[] { -2, -1.5, 1.5, 2.5, 1.5, 5.5 })]
    [InlineData("Cumsum", """{"axis": 1, "dtype": "int32"}""", new[] { -2.0, -2, 1, 1, 0, 4 })]
    [InlineData("Diff", """{"n": 1, "axis": 1}""", new[] { 2.5, 2.5, -2, 5 })]
    [InlineData("Diff", """{"n": 2, "axis": -1}""", new[] { 0.0, 7 })]
    [InlineData("Ravel", "{}", new[] { -2, 0.5, 3, 1, -1, 4 })]
    [InlineData("Median", """{"axis": 1, "keepdims": true}""", new[] { 0.5, 1 })]
    [InlineData("Median", """{"axis": 0}""", new[] { -0.5, -0.25, 3.5 })]
    [InlineData("Median", """{"axis": null}""", new[] { 0.75 })]
    [InlineData("Quantile", """{"axis": 0, "arg1": 0.25}""", new[] { -1.25, -0.625, 3.25 })]
    [InlineData("Quantile", """{"axis": 1, "method": "linear", "keepdims": true, "arg1": [0.5, 1.0, 0.25]}""", new[] { 0.5, 1, 3, 4, -0.75, 0 })]
    [InlineData("Quantile", """{"axis": [0, -1], "keepdims": false, "arg1": [0, 1]}""", new[] { -2.0, 4 })]
    [InlineData("CountNonzero", """{"axis": 1}""", new[] { 3.0, 3 })]
    [InlineData("CountNonzero", """{"axis": [0, 1]}""", new[] { 6.0 })]
    [InlineData("Trace", """{"offset": 0, "axis1": 0, "axis2": 1}""", new[] { -3.0 })]
    [InlineData("Diagonal", """{"offset": 1, "axis1": 0, "axis2": 1}""", new[] { 0.5, 4 })]
    [InlineData("Diag", """{"k": -1}""", new[] { 1.0 })]
    [InlineData("Average", """{"axis": 1}""", new[] { 0.5, 4 / 3.0 })]
    [InlineData("Average", """{"axis": null}""", new[] { 5.5 / 6 })]
    [InlineData("Average", """{"axis": [0, -1]}""", new[] { 5.5 / 6 })]
    [InlineData("Pad", """{"pad_width": [[0, 0], [1, 2]], "mode": "constant"}""", new[] { 0, -2, 0.5, 3, 0, 0, 0, 1, -1, 4, 0, 0 })]
    [InlineData("Pad", """{"pad_width": [[0], [1]], "mode": "constant", "arg1": 9.5}""", new[] { 9.5, -2, 0.5, 3, 9.5, 9.5, 1, -1, 4, 9.5 })]
    [InlineData("Pad", """{"pad_width": [[0, 0], [2, 1]], "mode": "reflect"}""", new[] { 3, 0.5, -2, 0.5, 3, 0.5, 4, -1, 1, -1, 4, -1 })]
    [InlineData("Pad", """{"pad_width": [[0, 0], [1, 2]], "mode": "symmetric"}""", new[] { -2, -2, 0.5, 3, 3, 0.5, 1, 1, -1, 4, 4, -1 })]
    [InlineData("Pad", """{"pad_width": [[0, 0], [1, 2]], "mode": "edge"}""", new[] { -2, -2, 0.5, 3, 3, 3, 1, 1, -1, 4, 4, 4 })]
    [InlineData("Pad", """{"pad_width": [[0, 0], [1, 2]], "mode": "wrap"}""", new[] { 3, -2, 0.5, 3, -2, 0.5, 4, 1, -1, 4, 1, -1 })]
    [InlineData("Rot90", """{"k": 1, "axes": [0, 1]}""", new[] { 3, 4, 0.5, -1, -2, 1 })]
    [InlineData("Rot90", """{"k": 1, "axes": [-1, 0]}""", new[] { 1, -2, -1, 0.5, 4, 3 })]
    [InlineData("Normalize", """{"axis": 1, "order": 1}""", new[] { -2 / 5.5, 0.5 / 5.5, 3 / 5.5, 1 / 6.0, -1 / 6.0, 4 / 6.0 })]
    [InlineData("Normalize", """{"axis": -1, "order": 2, "epsilon": null}""", new[] { -0.5494423, 0.1373606, 0.8241634, 0.2357023, -0.2357023, 0.942809 })]
    [InlineData("Normalize", """{"axis": -1, "order": 3, "epsilon": null}""", new[] { -0.6106953, 0.1526738, 0.9160429, 0.2474488, -0.2474488, 0.9897952 })]
    [InlineData("Normalize", """{"axis": -1, "order": 2, "epsilon": 10.0}""", new[] { -0.2, 0.05, 0.3, 0.1, -0.1, 0.4 })]
    [InlineData("Normalize", """{"axis": [0, 1], "order": 1, "epsilon": null}""", new[] { -2 / 7.0, 0.5 / 7, 3 / 7.0, 1 / 7.0, -1 / 7.0, 4 / 7.0 })]
    [InlineData("Sparsemax", """{"axis": 1}""", new[] { 0.0, 0, 1, 0, 0, 1 })]
    [InlineData("NanToNum", """{"nan": 0.0}""", new[] { -2, 0.5, 3, 1, -1, 4 })]
    [InlineData("Norm", """{"ord": null, "axis": 1}""", new[] { 3.640055, 4.242641 })]
    [InlineData("Norm", """{"ord": 1, "axis": 1}""", new[] { 5.5, 6 })]
    [InlineData("Norm", """{"ord": Infinity, "axis": 0, "keepdims": true}""", new[] { 2.0, 1, 4 })]
    [InlineData("Norm", """{"ord": -Infinity, "axis": -1}""", new[] { 0.5, 1 })]
    [InlineData("Norm", """{"ord": 3, "axis": 1}""", new[] { 3.274956, 4.041240 })]
    [InlineData("Norm", """{"ord": 0, "axis": 1}""", new[] { 3.0, 3 })]
    [InlineData("Norm", """{"ord": "fro", "axis": [0, 1]}""", new[] { 5.590170 })]
    [InlineData("Norm", """{"ord": 1, "axis": [0, 1]}""", new[] { 7.0 })]
    [InlineData("Norm", """{"ord": Infinity, "axis": [0, 1]}""", new[] { 6.0 })]
    [InlineData("Norm", """{"ord": -1, "axis": [-2, -1], "keepdims": true}""", new[] { 1.5 })]
    [InlineData("Norm", """{"ord": "nuc", "axis": [0, 1]}""", new[] { 7.456647 })]
    [InlineData("Logsumexp", """{"axis": null}""", new[] { 4.376435 })]
    [InlineData("Logsumexp", """{"axis": [0, 1], "keepdims": true}""", new[] { 4.376435 })]
    [InlineData("Logsumexp", """{"axis": 1}""", new[] { 3.085097, 4.054985 })]
    [InlineData("Softmax", """{"axis": -1}""", new[] { 0.006188285, 0.07538875, 0.918423, 0.04712342, 0.006377461, 0.9464991 })]
    [InlineData("Softmax", """{"axis": 0}""", new[] { 0.04742587, 0.8175745, 0.2689414, 0.9525741, 0.1824255, 0.7310586 })]
    [InlineData("Softmax", """{"axis": [0, 1]}""", new[] { 0.001701177, 0.02072458, 0.2524771, 0.03416906, 0.004624279, 0.6863038 })]
    [InlineData("Softmax", """{"axis": null}""", new[] { 0.001701177, 0.02072458, 0.2524771, 0.03416906, 0.004624279, 0.6863038 })]
    [InlineData("LogSoftmax", """{"axis": 1}""", new[] { -5.085097, -2.585097, -0.08509725, -3.054985, -5.054985, -0.05498524 })]
    [InlineData("LogSoftmax", """{"axis": [-2, -1]}""", new[] { -6.376435, -3.876435, -1.376435, -3.376435, -5.376435, -0.3764348 })]
    [InlineData("Prod", """{"axis": [0, 1]}""", new[] { 12.0 })]
    [InlineData("Prod", """{"axis": [-1], "keepdims": true}""", new[] { -3.0, -4 })]
    [InlineData("Prod", """{"axis": null, "keepdims": false, "dtype": "int32"}""", new[] { 0.0 })]
    [InlineData("Max", """{"axis": 1, "initial": 3.5}""", new[] { 3.5, 4 })]
    [InlineData("Max", """{"axis": null, "keepdims": false, "initial": null}""", new[] { 4.0 })]
    [InlineData("Min", """{"axis": 1, "initial": -1.5}""", new[] { -2, -1.5 })]
    [InlineData("Amax", """{"axis": [0], "keepdims": true}""", new[] { 1, 0.5, 4 })]
    [InlineData("Amin", """{"axis": null, "keepdims": false}""", new[] { -2.0 })]
    [InlineData("Ptp", """{"axis": 1, "keepdims": false}""", new[] { 5.0, 5 })]
    [InlineData("Sum", """{"axis": -1, "keepdims": false}""", new[] { 1.5, 4 })]
    [InlineData("Sum", """{"axis": null, "keepdims": true}""", new[] { 5.5 })]
    [InlineData("Mean", """{"axis": 1, "keepdims": false}""", new[] { 0.5, 4 / 3.0 })]
    [InlineData("Mean", """{"axis": null, "keepdims": false}""", new[] { 5.5 / 6 })]
    [InlineData("Var", """{"axis": 1, "keepdims": false}""", new[] { 4.166667, 4.222222 })]
    [InlineData("Var", """{"axis": null, "keepdims": true}""", new[] { 4.368056 })]
    [InlineData("Std", """{"axis": [-1], "keepdims": false}""", new[] { 2.041241, 2.054805 })]
    [InlineData("All", """{"axis": 1, "keepdims": false}""", new[] { 1.0, 1 })]
    [InlineData("Any", """{"axis": null, "keepdims": true}""", new[] { 1.0 })]
    [InlineData("Argmax", """{"axis": 0, "keepdims": false}""", new[] { 1.0, 0, 1 })]
    [InlineData("Argmax", """{"axis": -1, "keepdims": true}""", new[] { 2.0, 2 })]
    [InlineData("Argmax", """{"axis": null, "keepdims": true}""", new[] { 5.0 })]
    [InlineData("Argmin", """{"axis": null, "keepdims": false}""", new[] { 0.0 })]
    [InlineData("Argmin", """{"axis": 1, "keepdims": false}""", new[] { 0.0, 1 })]
    [InlineData("Multiply", """{"arg1": [2, 0.5, -1]}""", new[] { -4, 0.25, -3, 2, -0.5, -4 })]
    [InlineData("Add", """{"arg1": [[1], [2]]}""", new[] { -1, 1.5, 4, 3, 1, 6 })]
    [InlineData("DivideNoNan", """{"arg1": [2, 0, -1]}""", new[] { -1.0, 0, -3, 0.5, 0, -4 })]
    [InlineData("FloorDivide", """{"arg1": 2}""", new[] { -1.0, 0, 1, 0, -1, 2 })]
    [InlineData("Mod", """{"arg1": 3}""", new[] { 1, 0.5, 0, 1, 2, 1 })]
    [InlineData("Power", """{"arg1": 3}""", new[] { -8, 0.125, 27, 1, -1, 64 })]
    [InlineData("Where", """{"arg1": 2, "arg2": 0.5}""", new[] { 2.0, 2, 2, 2, 2, 2 })]
    [InlineData("Matmul", """{"arg1": [[1, 0], [0, 1], [1, 1]]}""", new[] { 1, 3.5, 5, 3 })]
    [InlineData("Matmul", """{"arg1": [1, 2, 0.5]}""", new[] { 0.5, 1 })]
    [InlineData("Dot", """{"arg1": [[1, 0], [0, 1], [1, 1]]}""", new[] { 1, 3.5, 5, 3 })]
    [InlineData("Dot", """{"arg1": 2}""", new[] { -4.0, 1, 6, 2, -2, 8 })]
    [InlineData("Dot", """{"arg1": [1, 2, 0.5]}""", new[] { 0.5, 1 })]
    [InlineData("Einsum", """{"subscripts": "ij,j->i", "arg1": [1, 2, 0.5]}""", new[] { 0.5, 1 })]
    [InlineData("Einsum", """{"subscripts": "...j -> ..."}""", new[] { 1.5, 4 })]
    [InlineData("Tensordot", """{"axes": 1, "arg1": [[1], [2], [0.5]]}""", new[] { 0.5, 1 })]
    [InlineData("Tensordot", """{"axes": [0, 1], "arg1": [[1, 2], [0, -1]]}""", new[] { 0, -1, -1.5, 1, 11, -4 })]
    [InlineData("Tensordot", """{"axes": [[1, 0], [0, 1]], "arg1": [[1, 2], [0, -1], [3, 0.5]]}""", new[] { 12.0 })]
    [InlineData("Tensordot", """{"axes": 2, "arg1": [[1, 2, 0], [0, -1, 3]]}""", new[] { 12.0 })]
    [InlineData("IsIn", """{"invert": false, "assume_unique": false, "arg1": [3, 4, -1]}""", new[] { 0.0, 0, 1, 0, 1, 1 })]
    [InlineData("IsIn", """{"invert": true, "arg1": [3, 4, -1]}""", new[] { 1.0, 1, 0, 1, 0, 0 })]
    [InlineData("Digitize", """{"arg1": [0.0, 1.0, 3.5]}""", new[] { 0.0, 1, 2, 2, 0, 3 })]
    [InlineData("Size", "{}", new[] { 6.0 })]
    [InlineData("Cross", """{"axisa": -1, "axisb": 0, "axisc": 0, "axis": null, "arg1": [[2, 2], [1, -1], [1, 3]]}""", new[] { -2.5, 1, 8, 5, -3, 1 })]
    [InlineData("Cross", """{"axisa": -1, "axisb": -1, "axisc": -1, "axis": 1, "arg1": [[2, 1, 1], [2, -1, 3]]}""", new[] { -2.5, 8, -3, 1, 5, 1 })]
    [InlineData("Erf", "{}", new[] { -0.9953223, 0.5204999, 0.9999779, 0.8427008, -0.8427008, 1 })]
    [InlineData("Erfc", "{}", new[] { 1.995322, 0.4795001, 2.20905e-05, 0.1572992, 1.842701, 0 })]
    [InlineData("Gelu", """{"approximate": false}""", new[] { -0.04550026, 0.3457312, 2.99595, 0.8413447, -0.1586553, 3.999873 })]
    [InlineData("Round", """{"decimals": -1}""", new[] { 0.0, 0, 0, 0, 0, 0 })]
    [InlineData("Round", """{"decimals": 1}""", new[] { -2, 0.5, 3, 1, -1, 4 })]
    [InlineData("Take", """{"axis": 1, "arg1": [2, 0]}""", new[] { 3, -2.0, 4, 1 })]
    [InlineData("Take", """{"axis": -1, "arg1": [-1, 0]}""", new[] { 3, -2.0, 4, 1 })]
    [InlineData("Take", """{"axis": 0, "arg1": -1}""", new[] { 1.0, -1, 4 })]
    [InlineData("Take", """{"axis": null, "arg1": [[-1, 0], [2, -2]]}""", new[] { 4.0, -2, 3, -1 })]
    [InlineData("TakeAlongAxis", """{"axis": 1, "arg1": [[-1, 0], [1, -3]]}""", new[] { 3.0, -2, -1, 1 })]
    [InlineData("TakeAlongAxis", """{"axis": null, "arg1": [-1, 1]}""", new[] { 4, 0.5 })]
    [InlineData("GetItem", """{"arg1": [0, -1]}""", new[] { 3.0 })]
    [InlineData("GetItem", """{"arg1": [{"class_name": "__ellipsis__", "config": {}}, 1]}""", new[] { 0.5, -1 })]
    [InlineData("GetItem", """{"arg1": [1, null, {"class_name": "__slice__", "config": {"start": null, "stop": null, "step": -2}}]}""", new[] { 4.0, 1 })]
    [InlineData("GetItem", """{"arg1": [{"class_name": "__slice__", "config": {"start": -1, "stop": null, "step": null}}, {"class_name": "__tensor__", "config": {"value": [-1, 0], "dtype": "int32"}}]}""", new[] { 4.0, 1 })]
    [InlineData("GetItem", """{"arg1": [{"class_name": "__tensor__", "config": {"value": -1, "dtype": "int32"}}]}""", new[] { 1.0, -1, 4 })]
    [InlineData("OneHot", """{"num_classes": 5, "axis": 1}""", new[]
    {
        0.0, 1, 0, /**/ 0, 0, 0, /**/ 0, 0, 0, /**/ 0, 0, 1, /**/ 0, 0, 0,
        0, 0, 0, /**/ 1, 0, 0, /**/ 0, 0, 0, /**/ 0, 0, 0, /**/ 0, 0, 1,
    })]
    [InlineData("OneHot", """{"num_classes": 2, "axis": -1, "dtype": "int32", "sparse": false}""", new[] { 0.0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0 })]
    [InlineData("MultiHot", """{"num_classes": 4, "axis": -1, "dtype": "float32", "sparse": false}""", new[] { 1.0, 0, 0, 1, 0, 1, 0, 0 })]
    [InlineData("Repeat", """{"repeats": 2, "axis": 0}""", new[] { -2, 0.5, 3, -2, 0.5, 3, 1, -1, 4, 1, -1, 4 })]
    [InlineData("Repeat", """{"repeats": [1, 0, 2], "axis": 1}""", new[] { -2.0, 3, 3, 1, 4, 4 })]
    [InlineData("Roll", """{"shift": [1, 1], "axis": [0, 1]}""", new[] { 4, 1, -1, 3, -2, 0.5 })]
    [InlineData("Roll", """{"shift": 1, "axis": [0, 1]}""", new[] { 4, 1, -1, 3, -2, 0.5 })]
    [InlineData("Roll", """{"shift": 1, "axis": 1}""", new[] { 3, -2, 0.5, 4, 1, -1 })]
    [InlineData("Roll", """{"shift": 1, "axis": null}""", new[] { 4, -2, 0.5, 3, 1, -1 })]
    [InlineData("FullLike", """{"arg1": 2.5}""", new[] { 2.5, 2.5, 2.5, 2.5, 2.5, 2.5 })]
    [InlineData("FullLike", """{"dtype": "int32", "arg1": 2.5}""", new[] { 2.0, 2, 2, 2, 2, 2 })]
    [InlineData("Flip", """{"axis": 1}""", new[] { 3, 0.5, -2, 4, -1, 1 })]
    [InlineData("Flip", """{"axis": null}""", new[] { 4, -1, 1, 3, 0.5, -2 })]
    [InlineData("Tile", """{"repeats": 2}""", new[] { -2, 0.5, 3, -2, 0.5, 3, 1, -1, 4, 1, -1, 4 })]
    [InlineData("Tile", """{"repeats": [2, 1]}""", new[] { -2, 0.5, 3, 1, -1, 4, -2, 0.5, 3, 1, -1, 4 })]
    [InlineData("Tril", """{"k": 0}""", new[] { -2.0, 0, 0, 1, -1, 0 })]
    [InlineData("Triu", """{"k": 1}""", new[] { 0, 0.5, 3, 0, 0, 4 })]
    [InlineData("Swapaxes", """{"axis1": 0, "axis2": -1}""", new[] { -2, 1, 0.5, -1, 3, 4 })]
    [InlineData("Moveaxis", """{"source": 0, "destination": 1}""", new[] { -2, 1, 0.5, -1, 3, 4 })]
    [InlineData("Moveaxis", """{"source": [0, 1], "destination": [-1, 0]}""", new[] { -2, 1, 0.5, -1, 3, 4 })]
    [InlineData("Transpose", """{"axes": null}""", new[] { -2, 1, 0.5, -1, 3, 4 })]
    [InlineData("Append", """{"axis": null, "arg1": [7, 8]}""", new[] { -2, 0.5, 3, 1, -1, 4, 7, 8 })]
    [InlineData("Append", """{"axis": 1, "arg1": [[7], [8]]}""", new[] { -2, 0.5, 3, 7, 1, -1, 4, 8 })]
    [InlineData("Slice", """{"arg1": [0, 1], "arg2": [2, 2]}""", new[] { 0.5, 3, -1, 4 })]
    [InlineData("Slice", """{"arg1": [1, 0], "arg2": [-1, 1]}""", new[] { 1.0 })]
    [InlineData("SliceUpdate", """{"arg1": [1, 1], "arg2": [[7, 8]]}""", new[] { -2, 0.5, 3, 1, 7, 8 })]
    [InlineData("ExtractSequences", """{"sequence_length": 2, "sequence_stride": 1}""", new[] { -2, 0.5, 0.5, 3, 1, -1, -1, 4 })]
    [InlineData("SegmentSum", """{"num_segments": 3, "sorted": false, "arg1": [2, 2]}""", new[] { 0, 0, 0, 0, 0, 0, -1, -0.5, 7 })]
    [InlineData("SegmentSum", """{"num_segments": 1, "sorted": false, "arg1": [-1, 0]}""", new[] { 1.0, -1, 4 })]
    [InlineData("SegmentSum", """{"num_segments": null, "sorted": false, "arg1": [1, 0]}""", new[] { 1, -1, 4, -2, 0.5, 3 })]
    [InlineData("Glu", """{"axis": 0}""", new[] { -2 * 0.7310586, 0.5 * 0.2689414, 3 * 0.9820138 })]
    [InlineData("LayerNorm", """{"axis": -1, "epsilon": 0.001, "rms_scaling": false}""", new[] { -1.224598, 0, 1.224598, -0.1622022, -1.135415, 1.297618 })]
    [InlineData("LayerNorm", """{"axis": [1], "epsilon": 0.001, "rms_scaling": false, "arg1": [1, 2, 0.5], "arg2": [0.1, 0, -1]}""", new[] { -1.124598, 0, -0.387701, -0.06220221, -2.270831, -0.3511911 })]
    [InlineData("RMSNorm", """{"axis": -1, "epsilon": 0.001, "arg1": [1, 2, 0.5]}""", new[] { -0.9515542, 0.4757771, 0.7136656, 0.4082143, -0.8164285, 0.8164285 })]
    [InlineData("BatchNorm", """{"axis": -1, "epsilon": 0.001, "arg1": [0.5, 0, 1], "arg2": [1.0, 2.0, 4.0], "arg3": [0.1, 0, -1], "arg4": [1, 2, 0.5]}""", new[] { -2.398751, 0.7069301, -0.5000625, 0.5997502, -1.41386, -0.2500937 })]
    [InlineData("PSNR", """{"max_val": 2, "arg1": [[2, 1, 1], [2, -1, 3]]}""", new[] { 0.3288123 })]
    public void OfArrays(string name, string config, double[] expected) => Check(name, config, expected);

    [Theory]
    [InlineData("Average", """{"axis": 1}""", """{"weights": [1, 2, 3]}""", new[] { 1.333333, 1.833333 })]
    [InlineData("Average", """{"axis": null}""", """{"weights": [[1, 2, 3], [2, 1, 0]]}""", new[] { 1.0 })]
    [InlineData("Pad", """{"pad_width": [[0, 0], [1, 0]], "mode": "constant"}""", """{"constant_values": 7}""", new[] { 7, -2, 0.5, 3, 7, 1, -1, 4 })]
    [InlineData("Pad", """{"pad_width": 1, "mode": "constant"}""", """{"constant_values": null}""", new[] { 0, 0, 0, 0, 0, 0, -2, 0.5, 3, 0, 0, 1, -1, 4, 0, 0, 0, 0, 0, 0 })]
    public void WithArgumentsByName(string name, string config, string named, double[] expected) => Check(name, config, expected, named: named);

    [Theory]
    [InlineData("BroadcastTo", """{"shape": [2, 2, 3]}""", new long[] { 2, 2, 3 })]
    [InlineData("Reshape", """{"newshape": [3, -1]}""", new long[] { 3, 2 })]
    [InlineData("Reshape", """{"newshape": -1}""", new long[] { 6 })]
    [InlineData("ExpandDims", """{"axis": [-1, -2]}""", new long[] { 2, 3, 1, 1 })]
    [InlineData("ExpandDims", """{"axis": [0, 2]}""", new long[] { 1, 2, 1, 3 })]
    [InlineData("ExpandDims", """{"axis": 1}""", new long[] { 2, 1, 3 })]
    [InlineData("Argmax", """{"axis": null, "keepdims": true}""", new long[] { 1, 1 })]
    [InlineData("Sum", """{"axis": null, "keepdims": true}""", new long[] { 1, 1 })]
    [InlineData("Quantile", """{"axis": [0, 1], "keepdims": true, "arg1": [0.5, 0.25, 1.0]}""", new long[] { 3, 1, 1 })]
    [InlineData("Take", """{"axis": 1, "arg1": [[0, 1], [2, 0]]}""", new long[] { 2, 2, 2 })]
    [InlineData("Take", """{"axis": 1, "arg1": 2}""", new long[] { 2 })]
    [InlineData("Diagflat", """{"k": 1}""", new long[] { 7, 7 })]
    [InlineData("GetItem", """{"arg1": [null, {"class_name": "__ellipsis__", "config": {}}, null]}""", new long[] { 1, 2, 3, 1 })]
    [InlineData("Tensordot", """{"axes": 0, "arg1": [1, 2]}""", new long[] { 2, 3, 2 })]
    public void Shapes(string name, string config, long[] expected)
    {
        using var scope = NewDisposeScope();
        Tensor found = Run(name, config, X);
        Assert.Equal(expected, found.shape);
        if (name is "BroadcastTo" or "Reshape" or "ExpandDims" or "Diagflat")
            AssertClose([X.Sum() * found.numel() / (name == "Diagflat" ? 49 : 6)], found.sum());
    }

    [Fact]
    public void SqueezeDropsTheAxesThatAreNamed()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers(1, 1, 2, 1, 3, 1);
        foreach (var (axis, shape) in (ReadOnlySpan<(string, long[])>)
            [("[0, -1]", [2, 1, 3]), ("2", [1, 2, 3, 1]), ("null", [2, 3]), ("[-1, 2, 0]", [2, 3])])
        {
            using var model = OfInputs([[1, 2, 1, 3, 1]], "Squeeze", $$"""{"name": "op", "axis": {{axis}}}""", module: "keras.src.ops.numpy");
            Tensor found = model.Predict(x);
            Assert.Equal(shape, found.shape);
            Assert.Equal(Values(x), Values(found));
        }
    }

    [Theory]
    [InlineData("Concatenate", """{"axis": -1}""", new[] { -2, 0.5, 3, 2, 1, 1, 1, -1, 4, 2, -1, 3 })]
    [InlineData("Hstack", "{}", new[] { -2, 0.5, 3, 2, 1, 1, 1, -1, 4, 2, -1, 3 })]
    [InlineData("Vstack", "{}", new[] { -2, 0.5, 3, 1, -1, 4, 2, 1, 1, 2, -1, 3 })]
    [InlineData("Stack", """{"axis": 0}""", new[] { -2, 0.5, 3, 1, -1, 4, 2, 1, 1, 2, -1, 3 })]
    [InlineData("Stack", """{"axis": -1}""", new[] { -2, 2, 0.5, 1, 3, 1, 1, 2, -1, -1, 4, 3 })]
    [InlineData("Concatenate", """{"axis": 0, "arg2": [[7, 8, 9]]}""", new[] { -2, 0.5, 3, 1, -1, 4, 2, 1, 1, 2, -1, 3, 7, 8, 9 })]
    public void OfLists(string name, string config, double[] expected) => CheckTwo(name, config, X, Y, expected, isList: true);

    [Fact]
    public void ListsOfTensorsOfSeveralTypesAreOfTheWidest()
    {
        using var scope = NewDisposeScope();
        foreach (string name in (ReadOnlySpan<string>)["Concatenate", "Stack", "Hstack", "Vstack"])
        {
            Tensor found = RunTwo(name, "{}", X, Y, isList: true, types: ["int32", "float32"]);
            Assert.Equal(ScalarType.Float32, found.dtype);
            AssertClose([-2, 0, 3], found.flatten()[..3]);
        }
    }

    [Fact]
    public void SelectTakesTheFirstConditionThatHolds()
    {
        using var scope = NewDisposeScope();
        using var model = SelectModel();
        AssertClose([9, 0.5, 3, 1, 9, 4], model.Predict(tensor(Floats(X), [2, 3])));

        // x > 0 → x; else x < -5 → 1; else 9.
        static KerasModel SelectModel() => OfNodes(
            [2, 3], ("positive", "Greater", "{}", """["T:input0", 0]"""),
            ("tiny", "Less", "{}", """["T:input0", -5]"""),
            ("op", "Select", "{}", """[["T:positive", "T:tiny"], ["T:input0", [1, 1, 1]], 9]"""));
    }

    [Fact]
    public void DivideNoNanHasTheGradientZeroWhereItDividesByZero()
    {
        using var scope = NewDisposeScope();
        Tensor x = tensor(new[] { 1f, 2 }, requires_grad: true), y = tensor(new[] { 0f, 4 }, requires_grad: true);
        var none = new Dictionary<string, object?>();
        var quotient = (Tensor)OperationTable.Operations["DivideNoNan"](new OperationArguments("DivideNoNan", [x, y], none, none));
        quotient.sum().backward();
        AssertClose([0, 0.25], x.grad!);
        AssertClose([0, -0.125], y.grad!);
    }

    [Fact]
    public void TruthValuesAreSubtractedFromNumbers()
    {
        using var scope = NewDisposeScope();
        using var model = OfNodes([2, 3], ("mask", "Greater", "{}", """["T:input0", 0]"""), ("op", "Subtract", "{}", """[1, "T:mask"]"""));
        Tensor found = model.Predict(tensor(Floats(X), [2, 3]));
        Assert.Equal(ScalarType.Int32, found.dtype);
        AssertClose([1, 0, 0, 0, 1, 0], found);
    }

    [Fact]
    public void WhereTakesTheTypeOfItsBranches()
    {
        using var scope = NewDisposeScope();
        using var ofNumbers = OfNodes([2, 3], ("mask", "Greater", "{}", """["T:input0", 0]"""), ("op", "Where", "{}", """["T:mask", 1, 2]"""));
        Tensor whole = ofNumbers.Predict(tensor(Floats(X), [2, 3]));
        Assert.Equal(ScalarType.Int32, whole.dtype);
        AssertClose([2, 1, 1, 1, 2, 1], whole);
        using var mixed = OfNodes(
            [2, 3], ("mask", "Greater", "{}", """["T:input0", 0]"""), ("ints", "Cast", """{"dtype": "int32"}""", """["T:input0"]"""),
            ("op", "Where", "{}", """["T:mask", "T:ints", 0.5]"""));
        AssertClose([0.5, 0, 3, 1, 0.5, 4], mixed.Predict(tensor(Floats(X), [2, 3])));
    }

    [Theory]
    [InlineData("Split", """{"indices_or_sections": 3, "axis": 1}""", 3, new[] { -2, 1, 0.5, -1, 3, 4 })]
    [InlineData("Split", """{"indices_or_sections": [1], "axis": -1}""", 2, new[] { -2, 1, 0.5, 3, -1, 4 })]
    [InlineData("Split", """{"indices_or_sections": [1, 1], "axis": 1}""", 3, new[] { -2, 1, 0.5, 3, -1, 4 })]
    [InlineData("ArraySplit", """{"indices_or_sections": 2, "axis": 1}""", 2, new[] { -2, 0.5, 1, -1, 3, 4 })]
    [InlineData("Unstack", """{"num": null, "axis": 1}""", 3, new[] { -2, 1, 0.5, -1, 3, 4 })]
    [InlineData("Unstack", """{"num": 2, "axis": -2}""", 2, new[] { -2, 0.5, 3, 1, -1, 4 })]
    [InlineData("TopK", """{"k": 2, "sorted": true}""", 2, new[] { 3, 0.5, 4, 1, /**/ 2, 1, 2, 0 })]
    [InlineData("Moments", """{"axes": [1], "keepdims": false, "synchronized": false}""", 2, new[] { 0.5, 1.333333, 4.166667, 4.222222 })]
    [InlineData("Moments", """{"axes": [0, 1], "keepdims": true}""", 2, new[] { 0.9166667, 4.368056 })]
    public void OfSeveralOutputs(string name, string config, int outputs, double[] expected)
    {
        using var scope = NewDisposeScope();
        using var model = OfInputs([[2, 3]], name, Named(config), outputs: outputs, module: "keras.src.ops.numpy");
        Tensor[] found = [.. model.Predict([tensor(Floats(X), [2, 3])])];
        Assert.Equal(outputs, found.Length);
        AssertClose(expected, cat([.. found.Select(part => part.to(ScalarType.Float32).flatten())]));
    }

    // Of x + yi, or of x alone; the expected numbers come from the sums that define the transforms.
    [Theory]
    [InlineData("FFT", new[] { 1.5, -3.75, -3.75, 4, -3.9641, 2.9641 }, new[] { 4, 3.16506, -1.16506, 4, 5.33013, -3.33013 })]
    [InlineData("FFT2", new[] { 5.5, -7.7141, -0.785898, -2.5, 0.214102, -6.7141 }, new[] { 8, 8.49519, -4.49519, 0.0, -2.16506, 2.16506 })]
    [InlineData("IFFT2", new[] { 0.916667, -0.130983, -1.28568, -0.416667, -1.11902, 0.035684 }, new[] { 1.33333, -0.749198, 1.41586, 0.0, 0.360844, -0.360844 })]
    [InlineData("RFFT", new[] { 1.5, -3.75, 4, -0.5 }, new[] { 0.0, 2.16506, 0.0, 4.33013 })]
    [InlineData("IRFFT", new[] { 0.5, -1.75, 0.0, -0.75, 0.75, -0.25, 1.75, -1.25 }, null)]
    public void FourierTransforms(string name, double[] real, double[]? imaginary)
    {
        using var scope = NewDisposeScope();
        Tensor x = tensor(Floats(X), [2, 3]), y = tensor(Floats(Y), [2, 3]);
        bool isComplex = name != "RFFT";
        using var model = OfInputs(isComplex ? [[2, 3], [2, 3]] : [[2, 3]], name, """{"name": "op"}""", isList: isComplex,
            outputs: imaginary is null ? 1 : 2, module: "keras.src.ops.math");
        Tensor[] found = [.. model.Predict(isComplex ? [x, y] : [x])];
        AssertClose(real, found[0]);
        if (imaginary is not null)
            AssertClose(imaginary, found[1]);
    }

    [Fact]
    public void MeshgridHasItsAxesAsNumpyHas()
    {
        using var scope = NewDisposeScope();
        foreach (var (indexing, shape) in (ReadOnlySpan<(string, long[])>)[("xy", [2, 3]), ("ij", [3, 2])])
        {
            using var model = OfInputs([[3]], "Meshgrid", $$"""{"name": "op", "indexing": "{{indexing}}", "arg1": [4, 5]}""", outputs: 2,
                module: "keras.src.ops.numpy");
            Tensor[] found = [.. model.Predict([tensor(new[] { 1f, 2, 3 })])];
            Assert.Equal(shape, found[0].shape);
            AssertClose(indexing == "xy" ? [1, 2, 3, 1, 2, 3] : [1, 1, 2, 2, 3, 3], found[0]);
            AssertClose(indexing == "xy" ? [4, 4, 4, 5, 5, 5] : [4, 5, 4, 5, 4, 5], found[1]);
        }
    }

    [Theory]
    [InlineData("Sum", """{"axis": 1, "keepdims": false}""", "int32", "Int32", new[] { 1.0, 4 })]
    [InlineData("Sum", """{"axis": null, "keepdims": false}""", "bool", "Int32", new[] { 5.0 })]
    [InlineData("Sum", """{"axis": 1, "keepdims": false}""", "int8", "Int32", new[] { 1.0, 4 })]
    [InlineData("Sum", """{"axis": 1, "keepdims": false}""", "int64", "Int64", new[] { 1.0, 4 })]
    [InlineData("Prod", """{"axis": 1, "keepdims": false, "dtype": null}""", "int32", "Int32", new[] { 0.0, -4 })]
    [InlineData("Prod", """{"axis": 1, "keepdims": false, "dtype": "float32"}""", "int16", "Float32", new[] { 0.0, -4 })]
    [InlineData("Trace", """{"offset": 0, "axis1": 0, "axis2": 1}""", "int32", "Int32", new[] { -3.0 })]
    [InlineData("Cumsum", """{"axis": 1, "dtype": null}""", "int32", "Int32", new[] { -2.0, -2, 1, 1, 0, 4 })]
    [InlineData("Cumsum", """{"axis": 1, "dtype": null}""", "bool", "Int32", new[] { 1.0, 1, 2, 1, 2, 3 })]
    [InlineData("Cumprod", """{"axis": 1, "dtype": "float32"}""", "int32", "Float32", new[] { -2.0, 0, 0, 1, -1, -4 })]
    [InlineData("Mean", """{"axis": null, "keepdims": false}""", "int32", "Float32", new[] { 5.0 / 6 })]
    [InlineData("Mean", """{"axis": 1, "keepdims": false}""", "bool", "Float32", new[] { 2.0 / 3, 1 })]
    [InlineData("Var", """{"axis": 1, "keepdims": false}""", "int32", "Float32", new[] { 38.0 / 9, 38.0 / 9 })]
    [InlineData("Max", """{"axis": 1, "keepdims": false, "initial": null}""", "int32", "Int32", new[] { 3.0, 4 })]
    [InlineData("Any", """{"axis": 1, "keepdims": false}""", "int32", "Bool", new[] { 1.0, 1 })]
    [InlineData("All", """{"axis": 1, "keepdims": false}""", "int32", "Bool", new[] { 0.0, 1 })]
    [InlineData("All", """{"axis": null, "keepdims": false}""", "bool", "Bool", new[] { 0.0 })]
    [InlineData("Argmax", """{"axis": 1, "keepdims": false}""", "int32", "Int32", new[] { 2.0, 2 })]
    [InlineData("Argmin", """{"axis": 1, "keepdims": false}""", "bool", "Int32", new[] { 1.0, 0 })]
    [InlineData("Argsort", """{"axis": 1}""", "float32", "Int32", new[] { 0.0, 1, 2, 1, 0, 2 })]
    [InlineData("CountNonzero", """{"axis": null}""", "int32", "Int32", new[] { 5.0 })]
    [InlineData("Round", """{"decimals": -1}""", "int32", "Int32", new[] { 0.0, 0, 0, 0, 0, 0 })]
    [InlineData("Round", """{"decimals": 0}""", "int32", "Int32", new[] { -2.0, 0, 3, 1, -1, 4 })]
    [InlineData("Round", """{"decimals": 2}""", "int32", "Int32", new[] { -2.0, 0, 3, 1, -1, 4 })]
    [InlineData("Abs", "{}", "bool", "Bool", new[] { 1.0, 0, 1, 1, 1, 1 })]
    [InlineData("Floor", "{}", "int32", "Float32", new[] { -2.0, 0, 3, 1, -1, 4 })]
    [InlineData("Sqrt", "{}", "bool", "Float32", new[] { 1.0, 0, 1, 1, 1, 1 })]
    [InlineData("Square", "{}", "int32", "Int32", new[] { 4.0, 0, 9, 1, 1, 16 })]
    [InlineData("Square", "{}", "bool", "Int32", new[] { 1.0, 0, 1, 1, 1, 1 })]
    [InlineData("Cbrt", "{}", "int64", "Float64", new[] { -1.259921, 0, 1.442250, 1, -1, 1.587401 })]
    [InlineData("Power", """{"arg1": 2}""", "int32", "Int32", new[] { 4.0, 0, 9, 1, 1, 16 })]
    [InlineData("Power", """{"arg1": 2.0}""", "int32", "Float32", new[] { 4.0, 0, 9, 1, 1, 16 })]
    [InlineData("Clip", """{"x_min": -1, "x_max": 2}""", "int32", "Int32", new[] { -1.0, 0, 2, 1, -1, 2 })]
    [InlineData("Clip", """{"x_min": 0, "x_max": null}""", "int32", "Int32", new[] { 0.0, 0, 3, 1, 0, 4 })]
    [InlineData("Clip", """{"x_min": 1, "x_max": 2}""", "bool", "Int32", new[] { 1.0, 1, 1, 1, 1, 1 })]
    [InlineData("Add", """{"arg1": 1}""", "int32", "Int32", new[] { -1.0, 1, 4, 2, 0, 5 })]
    [InlineData("Add", """{"arg1": 0.5}""", "int32", "Float32", new[] { -1.5, 0.5, 3.5, 1.5, -0.5, 4.5 })]
    [InlineData("Multiply", """{"arg1": 2}""", "bool", "Int32", new[] { 2.0, 0, 2, 2, 2, 2 })]
    [InlineData("Divide", """{"arg1": 2}""", "int32", "Float32", new[] { -1, 0, 1.5, 0.5, -0.5, 2 })]
    [InlineData("DivideNoNan", """{"arg1": [2, 0, 4]}""", "int32", "Float32", new[] { -1, 0, 0.75, 0.5, 0, 1 })]
    [InlineData("FloorDivide", """{"arg1": 2}""", "int32", "Int32", new[] { -1.0, 0, 1, 0, -1, 2 })]
    [InlineData("Mod", """{"arg1": 3}""", "int32", "Int32", new[] { 1.0, 0, 0, 1, 2, 1 })]
    [InlineData("Maximum", """{"arg1": 0.5}""", "int32", "Float32", new[] { 0.5, 0.5, 3, 1, 0.5, 4 })]
    [InlineData("Greater", """{"arg1": 0.5}""", "int32", "Bool", new[] { 0.0, 0, 1, 1, 0, 1 })]
    [InlineData("Equal", """{"arg1": 1}""", "float32", "Bool", new[] { 0.0, 0, 0, 1, 0, 0 })]
    [InlineData("LogicalAnd", """{"arg1": true}""", "int32", "Bool", new[] { 1.0, 0, 1, 1, 1, 1 })]
    [InlineData("Matmul", """{"arg1": [1, 2, 0.5]}""", "int32", "Float32", new[] { -0.5, 1 })]
    [InlineData("Matmul", """{"arg1": [1, 2, 3]}""", "int32", "Int32", new[] { 7.0, 11 })]
    [InlineData("Dot", """{"arg1": [1, 2, 0.5]}""", "int32", "Float32", new[] { -0.5, 1 })]
    [InlineData("Einsum", """{"subscripts": "ij,j->i", "arg1": [1, 2, 0.5]}""", "int32", "Float32", new[] { -0.5, 1 })]
    [InlineData("Arctan2", """{"arg1": 1}""", "int32", "Float32", new[] { -1.107149, 0, 1.249046, 0.7853982, -0.7853982, 1.325818 })]
    [InlineData("Logaddexp", """{"arg1": 0}""", "int32", "Float32", new[] { 0.1269280, 0.6931472, 3.048587, 1.313262, 0.3132617, 4.018150 })]
    [InlineData("Hypot", """{"arg1": 3}""", "int32", "Float32", new[] { 3.605551, 3, 4.242641, 3.162278, 3.162278, 5 })]
    [InlineData("Heaviside", """{"arg1": 0.5}""", "int32", "Float32", new[] { 0, 0.5, 1, 1, 0, 1 })]
    [InlineData("Xlogy", """{"arg1": 2.0}""", "int32", "Float32", new[] { -1.386294, 0, 2.079442, 0.6931472, -0.6931472, 2.772589 })]
    [InlineData("Isclose", """{"equal_nan": false, "arg1": 1.0}""", "int32", "Bool", new[] { 0.0, 0, 0, 1, 0, 0 })]
    [InlineData("IsIn", """{"arg1": [1, 4]}""", "int32", "Bool", new[] { 0.0, 0, 0, 1, 0, 1 })]
    [InlineData("Cast", """{"dtype": "int32"}""", "float32", "Int32", new[] { -2.0, 0, 3, 1, -1, 4 })]
    [InlineData("Cast", """{"dtype": "bool"}""", "float32", "Bool", new[] { 1.0, 1, 1, 1, 1, 1 })]
    [InlineData("SaturateCast", """{"dtype": "uint8"}""", "float32", "Byte", new[] { 0.0, 0, 3, 1, 0, 4 })]
    [InlineData("SaturateCast", """{"dtype": "int64"}""", "int32", "Int64", new[] { -2.0, 0, 3, 1, -1, 4 })]
    [InlineData("SaturateCast", """{"dtype": "int64"}""", "float32", "Int64", new[] { -2.0, 0, 3, 1, -1, 4 })]
    [InlineData("SaturateCast", """{"dtype": "float16"}""", "float32", "Float16", new[] { -2, 0.5, 3, 1, -1, 4 })]
    [InlineData("SaturateCast", """{"dtype": "bfloat16"}""", "float32", "BFloat16", new[] { -2, 0.5, 3, 1, -1, 4 })]
    [InlineData("SaturateCast", """{"dtype": "bool"}""", "float32", "Bool", new[] { 0.0, 1, 1, 1, 0, 1 })]
    [InlineData("Array", """{"dtype": "float32"}""", "int32", "Float32", new[] { -2.0, 0, 3, 1, -1, 4 })]
    [InlineData("OnesLike", """{"dtype": "int32"}""", "float32", "Int32", new[] { 1.0, 1, 1, 1, 1, 1 })]
    [InlineData("ZerosLike", """{"dtype": "bool"}""", "float32", "Bool", new[] { 0.0, 0, 0, 0, 0, 0 })]
    [InlineData("ZerosLike", """{"dtype": null}""", "int32", "Int32", new[] { 0.0, 0, 0, 0, 0, 0 })]
    [InlineData("FullLike", """{"dtype": null, "arg1": 2}""", "int32", "Int32", new[] { 2.0, 2, 2, 2, 2, 2 })]
    [InlineData("OneHot", """{"num_classes": 1, "axis": -1, "dtype": null}""", "int32", "Float32", new[] { 0.0, 1, 0, 0, 0, 0 })]
    [InlineData("Digitize", """{"arg1": [0, 2]}""", "int32", "Int32", new[] { 0.0, 1, 2, 1, 0, 2 })]
    [InlineData("BitwiseAnd", """{"arg1": 6}""", "int32", "Int32", new[] { 6.0, 0, 2, 0, 6, 4 })]
    [InlineData("BitwiseOr", """{"arg1": 2}""", "int32", "Int32", new[] { -2.0, 2, 3, 3, -1, 6 })]
    [InlineData("BitwiseXor", """{"arg1": 1}""", "int32", "Int32", new[] { -1.0, 1, 2, 0, -2, 5 })]
    [InlineData("BitwiseNot", "{}", "int32", "Int32", new[] { 1.0, -1, -4, -2, 0, -5 })]
    [InlineData("BitwiseInvert", "{}", "int32", "Int32", new[] { 1.0, -1, -4, -2, 0, -5 })]
    [InlineData("Logsumexp", """{"axis": null, "keepdims": false}""", "int32", "Float32", new[] { 4.368247 })]
    public void Types(string name, string config, string type, string expectedType, double[] expected)
    {
        using var scope = NewDisposeScope();
        double[] x = type == "float32" ? X : [.. X.Select(Math.Truncate)];
        Tensor found = Run(name, config, x, type);
        Assert.Equal(expectedType, found.dtype.ToString());
        AssertClose(expected, found);
    }

    [Theory]
    [InlineData("Det", "{}", new[] { 5.0 })]
    [InlineData("Logdet", "{}", new[] { 1.609438 })]
    [InlineData("Inv", "{}", new[] { 0.6, -0.2, -0.2, 0.4 })]
    [InlineData("Cholesky", """{"upper": false}""", new[] { 1.414214, 0, 0.7071068, 1.581139 })]
    [InlineData("Cholesky", """{"upper": true}""", new[] { 1.414214, 0.7071068, 0, 1.581139 })]
    [InlineData("Solve", """{"arg1": [[5.0], [10.0]]}""", new[] { 1.0, 3 })]
    public void OfMatrices(string name, string config, double[] expected)
    {
        using var scope = NewDisposeScope();
        using var model = OfInputs([[2, 2]], name, Named(config), module: "keras.src.ops.linalg");
        AssertClose(expected, model.Predict(tensor(new[] { 2f, 1, 1, 3 }, [2, 2])));
    }

    [Theory]
    [InlineData("left", new[] { 0.0, 1, 3 })]
    [InlineData("right", new[] { 0.0, 2, 3 })]
    public void SearchSorted(string side, double[] expected)
    {
        using var scope = NewDisposeScope();
        using var model = OfInputs([[3]], "SearchSorted", $$"""{"name": "op", "side": "{{side}}", "arg1": [-1.0, 1.0, 9.0]}""", module: "keras.src.ops.numpy");
        Tensor found = model.Predict(tensor(new[] { 0f, 1, 4 }));
        Assert.Equal(ScalarType.Int32, found.dtype);
        AssertClose(expected, found);
    }

    [Fact]
    public void InTopKCountsTheGreaterScores()
    {
        using var scope = NewDisposeScope();
        using var model = OfInputs([[2], [2, 3]], "InTopK", """{"name": "op", "k": 2}""", module: "keras.src.ops.math", types: ["int32", "float32"]);
        Tensor found = model.Predict([tensor(new[] { 1, 1 }), tensor(Floats(X), [2, 3])])[0];
        Assert.Equal(ScalarType.Bool, found.dtype);
        AssertClose([1, 0], found);
    }

    [Theory]
    [InlineData("BinaryCrossentropy", """{"from_logits": true}""", new[] { 0.126928, 0.474077, 0.04858735, 1.313262, 1.313262, 4.01815 })]
    [InlineData("CategoricalCrossentropy", """{"from_logits": true, "axis": -1}""", new[] { 2.585097 + 0.08509725, 5.054985 })]
    public void LossesOfLogits(string name, string config, double[] expected) => CheckTwo(name, config, [0, 1, 1, 0, 1, 0], X, expected);

    [Theory]
    [InlineData("BinaryCrossentropy", """{"from_logits": false}""", new[] { 0, 1, 1, 0, 1, 0.0 }, new[] { 0.1053605, 0.6931472, 1.386294, 2.302585, 1.203973, 1.203973 })]
    [InlineData("CategoricalCrossentropy", """{"from_logits": false, "axis": 1}""", new[] { 0, 1, 0, 0.5, 0, 0.5 }, new[] { 0.5306283, 0.8728716 })]
    public void LossesOfProbabilities(string name, string config, double[] target, double[] expected) =>
        CheckTwo(name, config, target, Fractions, expected);

    [Fact]
    public void SparseCategoricalCrossentropyTakesClasses()
    {
        using var scope = NewDisposeScope();
        foreach (long[] shape in (long[][])[[2], [2, 1]])
        {
            using var model = OfInputs([shape, [2, 3]], "SparseCategoricalCrossentropy", """{"name": "op", "from_logits": true, "axis": -1}""",
                module: "keras.src.ops.nn", types: ["int32", "float32"]);
            AssertClose([0.08509725, 3.054985], model.Predict([tensor(new[] { 2, 0 }).view(shape), tensor(Floats(X), [2, 3])])[0]);
        }
    }

    [Theory]
    [InlineData("""{"is_causal": false}""", "{}", new[] { 2, -0.8943752, 2.894375, 2, -0.9938016, 2.993802 })]
    [InlineData("""{"is_causal": true}""", """{"bias": null, "mask": null, "scale": null, "flash_attention": null}""", new[] { 2, 1, 1, 2, -0.9938016, 2.993802 })]
    [InlineData("""{"is_causal": false}""", """{"bias": [[[[0.5, -1], [0, 2]]]], "scale": 0.1}""", new[] { 2, 0.4621172, 1.537883, 2, -0.9051483, 2.905148 })]
    [InlineData("""{"is_causal": false}""", """{"mask": [[[[false, true], [true, true]]]], "scale": 0.1}""", new[] { 2, -1, 3, 2, -0.4621172, 2.462117 })]
    public void DotProductAttention(string config, string named, double[] expected)
    {
        using var scope = NewDisposeScope();
        foreach (long heads in (ReadOnlySpan<long>)[1, 2])
        {
            using var model = OfInputs([[1, 2, heads, 3], [1, 2, 1, 3], [1, 2, 1, 3]], "DotProductAttention", Named(config), kwargs: named,
                module: "keras.src.ops.nn");
            Tensor x = tensor(Floats(X), [1, 2, 1, 3]), y = tensor(Floats(Y), [1, 2, 1, 3]);
            Tensor found = model.Predict([x.expand(1, 2, heads, 3).contiguous(), y, y])[0];
            for (long head = 0; head < heads; head++)
                AssertClose(expected, found.select(2, head));
        }
    }

    [Theory]
    [InlineData("MaxPool", """{"pool_size": 2, "strides": null, "padding": "valid", "data_format": "channels_last"}""", new[] { 3.0, 7 })]
    [InlineData("MaxPool", """{"pool_size": [2], "strides": 1, "padding": "same", "data_format": "channels_last"}""", new[] { 3.0, 3, 7, 7, 5 })]
    [InlineData("AveragePool", """{"pool_size": 2, "strides": 2, "padding": "valid", "data_format": "channels_last"}""", new[] { 2, 4.5 })]
    [InlineData("AveragePool", """{"pool_size": 2, "strides": [2], "padding": "same", "data_format": "channels_last"}""", new[] { 2, 4.5, 5 })]
    [InlineData("AveragePool", """{"pool_size": 3, "strides": 1, "padding": "valid", "data_format": "channels_first"}""", new[] { 2, 4, 14 / 3.0 })]
    public void Pools(string name, string config, double[] expected)
    {
        using var scope = NewDisposeScope();
        long[] shape = config.Contains("channels_last") ? [1, 5, 1] : [1, 1, 5];
        using var model = OfInputs([shape], name, Named(config), module: "keras.src.ops.nn");
        AssertClose(expected, model.Predict(tensor(new[] { 1f, 3, 2, 7, 5 }, shape)));
    }

    [Theory]
    [InlineData("""{"size": [2, 4], "interpolation": "nearest", "antialias": false, "data_format": "channels_last"}""", new[] { 1.0, 1, 2, 2, 3, 3, 4, 4 })]
    [InlineData("""{"size": [1, 2], "interpolation": "bilinear", "antialias": false, "data_format": "channels_last"}""", new[] { 2.0, 3 })]
    [InlineData("""{"size": [2, 1], "interpolation": "bilinear", "crop_to_aspect_ratio": true, "data_format": "channels_first"}""", new[] { 1.0, 3 })]
    public void Resize(string config, double[] expected)
    {
        using var scope = NewDisposeScope();
        long[] shape = config.Contains("channels_last") ? [1, 2, 2, 1] : [1, 1, 2, 2];
        foreach (long[] given in (long[][])[shape, shape[1..]])
        {
            using var model = OfInputs([given], "Resize", Named(config), module: "keras.src.ops.image");
            Tensor found = model.Predict(tensor(new[] { 1f, 2, 3, 4 }, given));
            Assert.Equal(given.Length, found.dim());
            AssertClose(expected, found);
        }
    }

    [Theory]
    [InlineData("Pad", """{"pad_width": 1, "mode": "linear_ramp"}""", "the setting 'mode' is 'linear_ramp'; supported are constant, reflect")]
    [InlineData("Quantile", """{"axis": 0, "method": "nearest", "arg1": 0.5}""", "the setting 'method' is 'nearest'; supported are linear")]
    [InlineData("Cast", """{"dtype": "float8_e4m3fn"}""", "the type 'float8_e4m3fn' is not supported")]
    [InlineData("Cumsum", """{"axis": 0, "dtype": "complex64"}""", "the type 'complex64' is not supported")]
    [InlineData("Cast", "{}", "the setting 'dtype' is missing")]
    [InlineData("Swapaxes", """{"axis1": 0}""", "the setting 'axis2' is missing")]
    [InlineData("Sum", """{"axis": 0, "where": 3}""", "the setting 'where' is not known")]
    [InlineData("Sum", """{"axis": []}""", "the setting 'axis' is a list of none")]
    [InlineData("Relu", """{"max_value": 6.0}""", "the setting 'max_value' is not known")]
    [InlineData("Norm", """{"ord": 3, "axis": [0, 1]}""", "the order '3' is not supported for 2 axes")]
    [InlineData("Norm", """{"ord": "fro", "axis": 1}""", "the order 'fro' is not supported for 1 axes")]
    [InlineData("Norm", """{"ord": "max", "axis": null}""", "the order 'max' is not supported")]
    [InlineData("Normalize", """{"axis": 1, "order": 0.5}""", "the setting 'order' is '0.5'; it should be a whole number from 1")]
    [InlineData("Resize", """{"size": [2, 2], "interpolation": "lanczos3"}""", "the setting 'interpolation' is 'lanczos3'")]
    [InlineData("Resize", """{"size": [2, 2], "antialias": true}""", "the setting 'antialias' is 'True'")]
    [InlineData("Fourier", "{}", "the operation keras.ops Fourier is not known")]
    public void Refused(string name, string config, string message) => Assert.Contains(message,
        Assert.Throws<NotSupportedException>(() => OfInputs([[2, 3]], name, Named(config), module: "keras.src.ops.numpy").Dispose()).Message,
        StringComparison.Ordinal);

    [Fact]
    public void AllAreTested()
    {
        MethodInfo[] tests = typeof(OperationTests).GetMethods();
        string?[] named = [.. tests.SelectMany(test => test.GetCustomAttributes<InlineDataAttribute>()).Select(row => row.Data[0] as string)];
        string[] alone = ["DotProductAttention", "Erfinv", "InTopK", "Meshgrid", "Resize", "SearchSorted", "Select", "SparseCategoricalCrossentropy", "Squeeze"];
        Assert.All(alone, name => Assert.Contains(tests, test => test.Name.StartsWith(name, StringComparison.Ordinal)));
        Assert.Empty(OperationTable.Operations.Keys.Except(named!).Except(alone));
    }

    static void Check(string name, string config, double[] expected, double[]? input = null, string named = "{}")
    {
        using var scope = NewDisposeScope();
        AssertClose(expected, Run(name, config, input ?? X, named: named));
    }

    static void CheckTwo(string name, string config, double[] x, double[] y, double[] expected, bool isList = false)
    {
        using var scope = NewDisposeScope();
        AssertClose(expected, RunTwo(name, config, x, y, isList));
    }

    static Tensor Run(string name, string config, double[] x, string type = "float32", string named = "{}")
    {
        using var model = OfInputs([[2, 3]], name, Named(config), kwargs: named, module: "keras.src.ops.numpy", types: [type]);
        return model.Predict(tensor(Floats(x), [2, 3]));
    }

    static Tensor RunTwo(string name, string config, double[] x, double[] y, bool isList = false, string[]? types = null)
    {
        using var model = OfInputs([[2, 3], [2, 3]], name, Named(config), isList, module: "keras.src.ops.numpy", types: types);
        return model.Predict([tensor(Floats(x), [2, 3]), tensor(Floats(y), [2, 3])])[0];
    }

    static float[] Floats(double[] values) => Array.ConvertAll(values, value => (float)value);

    static string Named(string config) => config.Length == 2 ? """{"name": "op"}""" : $$"""{"name": "op", {{config[1..]}}""";
}
