using static Infinorm.Keras.Torch.Tests.SmallModel;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Tests;

/// <summary>
/// Operations in graphs that no archive of the test data has. Each takes x = [[-2, 0.5, 3], [1, -1, 4]], and some y of the same shape.
/// </summary>
public sealed class OperationTests
{
    static readonly double[] X = [-2, 0.5, 3, 1, -1, 4];

    [Theory]
    [InlineData("Arcsinh", "{}")]
    [InlineData("Exp2", "{}")]
    [InlineData("Cbrt", "{}")]
    [InlineData("Trunc", "{}")]
    [InlineData("Deg2rad", "{}")]
    [InlineData("Mish", "{}")]
    [InlineData("TanhShrink", "{}")]
    [InlineData("SoftShrink", """{"threshold": 0.75}""")]
    [InlineData("HardShrink", """{"threshold": 0.75}""")]
    [InlineData("Threshold", """{"threshold": 0.75, "default_value": 7.0}""")]
    [InlineData("Squareplus", """{"b": 3}""")]
    public void OfOneNumber(string name, string config) => Check(name, config, [.. X.Select(x => name switch
    {
        "Arcsinh" => Math.Asinh(x),
        "Exp2" => Math.Pow(2, x),
        "Cbrt" => Math.Cbrt(x),
        "Trunc" => Math.Truncate(x),
        "Deg2rad" => x * Math.PI / 180,
        "Mish" => x * Math.Tanh(Math.Log(1 + Math.Exp(x))),
        "TanhShrink" => x - Math.Tanh(x),
        "SoftShrink" => Math.Abs(x) > 0.75 ? x - (Math.Sign(x) * 0.75) : 0,
        "HardShrink" => Math.Abs(x) > 0.75 ? x : 0,
        "Threshold" => x > 0.75 ? x : 7,
        _ => (x + Math.Sqrt((x * x) + 3)) / 2,
    })]);

    [Theory]
    [InlineData("Sort", """{"axis": 1}""", new[] { -2, 0.5, 3, -1, 1, 4 })]
    [InlineData("Sort", """{"axis": 0}""", new[] { -2, -1, 3, 1, 0.5, 4 })]
    [InlineData("Argsort", """{"axis": 1}""", new[] { 0.0, 1, 2, 1, 0, 2 })]
    [InlineData("Cumprod", """{"axis": 1}""", new[] { -2.0, -1, -3, 1, -1, -4 })]
    [InlineData("Diff", """{"n": 1, "axis": 1}""", new[] { 2.5, 2.5, -2, 5 })]
    [InlineData("Ravel", "{}", new[] { -2, 0.5, 3, 1, -1, 4 })]
    [InlineData("Median", """{"axis": 1, "keepdims": true}""", new[] { 0.5, 1 })]
    [InlineData("Median", """{"axis": 0}""", new[] { -0.5, -0.25, 3.5 })]
    [InlineData("Quantile", """{"axis": 0, "arg1": 0.25}""", new[] { -1.25, -0.625, 3.25 })]
    [InlineData("CountNonzero", """{"axis": 1}""", new[] { 3.0, 3 })]
    [InlineData("Trace", """{"offset": 0, "axis1": 0, "axis2": 1}""", new[] { -3.0 })]
    [InlineData("Diagonal", """{"offset": 1, "axis1": 0, "axis2": 1}""", new[] { 0.5, 4 })]
    [InlineData("Average", """{"axis": 1}""", new[] { 0.5, 4 / 3.0 })]
    [InlineData("Pad", """{"pad_width": [[0, 0], [1, 2]], "mode": "constant"}""", new[] { 0, -2, 0.5, 3, 0, 0, 0, 1, -1, 4, 0, 0 })]
    [InlineData("Pad", """{"pad_width": [[0, 0], [2, 1]], "mode": "reflect"}""", new[] { 3, 0.5, -2, 0.5, 3, 0.5, 4, -1, 1, -1, 4, -1 })]
    [InlineData("Pad", """{"pad_width": [[0, 0], [1, 2]], "mode": "symmetric"}""", new[] { -2, -2, 0.5, 3, 3, 0.5, 1, 1, -1, 4, 4, -1 })]
    [InlineData("Rot90", """{"k": 1, "axes": [0, 1]}""", new[] { 3, 4, 0.5, -1, -2, 1 })]
    [InlineData("Normalize", """{"axis": 1, "order": 1}""", new[] { -2 / 5.5, 0.5 / 5.5, 3 / 5.5, 1 / 6.0, -1 / 6.0, 4 / 6.0 })]
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
    [InlineData("Prod", """{"axis": [0, 1]}""", new[] { 12.0 })]
    [InlineData("Prod", """{"axis": [-1], "keepdims": true}""", new[] { -3.0, -4 })]
    [InlineData("Max", """{"axis": 1, "initial": 3.5}""", new[] { 3.5, 4 })]
    [InlineData("Min", """{"axis": 1, "initial": -1.5}""", new[] { -2, -1.5 })]
    [InlineData("Multiply", """{"arg1": [2, 0.5, -1]}""", new[] { -4, 0.25, -3, 2, -0.5, -4 })]
    [InlineData("Add", """{"arg1": [[1], [2]]}""", new[] { -1, 1.5, 4, 3, 1, 6 })]
    [InlineData("Take", """{"axis": 1, "arg1": [2, 0]}""", new[] { 3, -2.0, 4, 1 })]
    [InlineData("OneHot", """{"num_classes": 5, "axis": 1}""", new[]
    {
        0.0, 1, 0, /**/ 0, 0, 0, /**/ 0, 0, 0, /**/ 0, 0, 1, /**/ 0, 0, 0,
        0, 0, 0, /**/ 1, 0, 0, /**/ 0, 0, 0, /**/ 0, 0, 0, /**/ 0, 0, 1,
    })]
    [InlineData("Repeat", """{"repeats": 2, "axis": 0}""", new[] { -2, 0.5, 3, -2, 0.5, 3, 1, -1, 4, 1, -1, 4 })]
    [InlineData("Repeat", """{"repeats": [1, 0, 2], "axis": 1}""", new[] { -2.0, 3, 3, 1, 4, 4 })]
    [InlineData("Roll", """{"shift": [1, 1], "axis": [0, 1]}""", new[] { 4, 1, -1, 3, -2, 0.5 })]
    [InlineData("Roll", """{"shift": 1, "axis": 1}""", new[] { 3, -2, 0.5, 4, 1, -1 })]
    [InlineData("Roll", """{"shift": 1, "axis": null}""", new[] { 4, -2, 0.5, 3, 1, -1 })]
    [InlineData("FullLike", """{"arg1": 2.5}""", new[] { 2.5, 2.5, 2.5, 2.5, 2.5, 2.5 })]
    public void OfArrays(string name, string config, double[] expected) => Check(name, config, expected);

    [Theory]
    [InlineData("Hypot", new[] { 2.828427, 1.118034, 3.162278, 2.236068, 1.414214, 5 })]
    [InlineData("Outer", new[] { -4.0, -2, -2, -4, 2, -6 })]
    [InlineData("Vdot", new[] { 14.5 })]
    [InlineData("Kron", new[] { -4.0, -2, -2 })]
    [InlineData("Inner", new[] { -0.5, 4.5 })]
    public void OfTwo(string name, double[] expected)
    {
        using var scope = NewDisposeScope();
        Tensor x = tensor(Array.ConvertAll(X, value => (float)value), [2, 3]), y = tensor(new[] { 2f, 1, 1, 2, -1, 3 }, [2, 3]);
        using var model = OfInputs([[2, 3], [2, 3]], name, $$"""{"name": "op"}""", module: "keras.src.ops.numpy");
        float[] found = Values(model.Predict([x, y])[0]);
        for (int i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], found[i], 1e-5);
    }

    static void Check(string name, string config, double[] expected)
    {
        using var scope = NewDisposeScope();
        using var model = OfInputs([[2, 3]], name, config.Length == 2
            ? """{"name": "op"}"""
            : config.Replace("{\"", "{\"name\": \"op\", \"", StringComparison.Ordinal), module: "keras.src.ops.numpy");
        AssertClose(expected, model.Predict(tensor(Array.ConvertAll(X, value => (float)value), [2, 3])));
    }
}
