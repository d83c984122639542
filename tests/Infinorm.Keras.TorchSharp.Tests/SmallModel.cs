using System.Globalization;
using System.Text.Json.Nodes;
using Infinorm.Types;
using Infinorm.Variables;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Tests;

/// <summary>Models of a few layers, from configs as Keras writes them, with weights that a test gives.</summary>
static class SmallModel
{
    /// <summary>A Sequential model.</summary>
    /// <param name="shape">The input's shape with the batch, -1 where it is free.</param>
    /// <param name="layers">Class and settings of each layer; one without a name has its class's.</param>
    /// <param name="weights">By location: <c>layers/dense/vars/0</c>.</param>
    /// <param name="type">The input's type.</param>
    /// <param name="compile">The compile config; null for a model that was not compiled.</param>
    public static KerasModel Of(
        long[] shape, (string Class, string Config)[] layers, (string Location, Tensor Value)[]? weights = null, string type = "float32",
            string? compile = null)
    {
        var list = new JsonArray { Layer("InputLayer", $$"""{"batch_shape": {{Shape(shape)}}, "dtype": "{{type}}", "name": "input"}""") };
        foreach (var (className, config) in layers)
            list.Add(Layer(className, config));
        return Of(new JsonObject { ["name"] = "small", ["layers"] = list }, "Sequential", weights, compile);
    }

    /// <summary>A model of one layer of several inputs.</summary>
    /// <param name="shapes">The inputs' shapes.</param>
    /// <param name="className">The layer's class.</param>
    /// <param name="config">Its settings.</param>
    /// <param name="isList">Whether it takes the inputs as a list; else as arguments.</param>
    /// <param name="kwargs">Arguments by name.</param>
    /// <param name="weights">By location.</param>
    /// <param name="outputs">How many outputs there are.</param>
    /// <param name="module">The module of the class: another for an operation.</param>
    /// <param name="types">The inputs' types; all float32 where they are not given.</param>
    public static KerasModel OfInputs(
        long[][] shapes, string className, string config, bool isList = false, string kwargs = "{}", (string, Tensor)[]? weights = null,
            int outputs = 1,
        string module = "keras.layers", string[]? types = null)
    {
        var list = new JsonArray();
        var places = new JsonArray();
        var arguments = new JsonArray();
        for (int i = 0; i < shapes.Length; i++)
        {
            string type = types is null ? "float32" : types[i];
            JsonObject input = Layer("InputLayer", $$"""{"batch_shape": {{Shape(shapes[i])}}, "dtype": "{{type}}", "name": "input{{i}}"}""");
            input["name"] = $"input{i}";
            list.Add(input);
            places.Add(JsonNode.Parse($"""["input{i}", 0, 0]"""));
            arguments.Add(Reference($"input{i}"));
        }

        JsonObject layer = Layer(className, config);
        layer["module"] = module;
        layer["name"] = layer["config"]!["name"]!.ToString();
        foreach (var (key, value) in Infinorm.Config.PythonJson.Parse(config).AsObject())
        {
            if (key.StartsWith("arg", StringComparison.Ordinal))
            {
                arguments.Add(value?.DeepClone());
                layer["config"]!.AsObject().Remove(key);
            }
        }

        layer["inbound_nodes"] = new JsonArray(new JsonObject
        {
            ["args"] = isList
            ? new JsonArray(arguments)
            : arguments,
            ["kwargs"] = JsonNode.Parse(kwargs)
        });
        list.Add(layer);
        var ends = new JsonArray([.. Enumerable.Range(0, outputs).Select(i => JsonNode.Parse($"""["{layer["name"]}", 0, {i}]"""))]);
        return Of(
            new JsonObject { ["name"] = "small", ["layers"] = list, ["input_layers"] = places, ["output_layers"] = ends }, "Functional",
                weights, compile: null);
    }

    /// <summary>A model of operations, one after the other, whose input is input0.</summary>
    /// <param name="shape">The input's shape.</param>
    /// <param name="nodes">Name, class, settings and arguments of each; an argument "T:name" is what the node of that name gives.</param>
    public static KerasModel OfNodes(long[] shape, params ReadOnlySpan<(string Name, string Class, string Config, string Arguments)> nodes)
    {
        var list = new JsonArray { Layer("InputLayer", $$"""{"batch_shape": {{Shape(shape)}}, "dtype": "float32", "name": "input0"}""") };
        list[0]!["name"] = "input0";
        foreach (var (name, className, config, arguments) in nodes)
        {
            JsonObject layer = Layer(className, config);
            (layer["module"], layer["name"]) = ("keras.src.ops.numpy", name);
            layer["inbound_nodes"] = new JsonArray(new JsonObject { ["args"] = Resolve(JsonNode.Parse(arguments)), ["kwargs"] = new JsonObject() });
            list.Add(layer);
        }

        return Of(
            new JsonObject
            {
                ["name"] = "small",
                ["layers"] = list,
                ["input_layers"] = JsonNode.Parse("""[["input0", 0, 0]]"""),
                ["output_layers"] = JsonNode.Parse($"""[["{nodes[^1].Name}", 0, 0]]"""),
            }, "Functional", weights: null, compile: null);

        static JsonNode? Resolve(JsonNode? argument) => argument switch
        {
            JsonArray items => new JsonArray([.. items.Select(Resolve)]),
            JsonValue text when text.ToString().StartsWith("T:", StringComparison.Ordinal) => Reference(text.ToString()[2..]),
            _ => argument?.DeepClone(),
        };
    }

    /// <summary>The values, in order, with the shape.</summary>
    public static float[] Values(Tensor tensor) => tensor.detach().to(ScalarType.Float32).contiguous().data<float>().ToArray();

    /// <summary>Numbers around 0 that repeat themselves from test to test.</summary>
    public static Tensor Numbers(int seed, params long[] shape)
    {
        var random = new Random(seed);
        return tensor([.. Enumerable.Range(0,
            (int)shape.Aggregate(1L, (x, y) => x * y)).Select(_ => (float)((random.NextDouble() * 2) - 1))], shape);
    }

    public static void AssertClose(IReadOnlyList<double> expected, Tensor actual, double tolerance = 2e-5)
    {
        float[] values = Values(actual);
        Assert.Equal(expected.Count, values.Length);
        double largest = expected.Select(Math.Abs).DefaultIfEmpty().Max();
        for (int i = 0; i < values.Length; i++)
            Assert.True(Math.Abs(values[i] - expected[i]) <= (tolerance * largest)
                + 1e-7, $"element {i}: {values[i]:g7}, expected {expected[i]:g7}");
    }

    static KerasModel Of(JsonObject config, string className, (string Location, Tensor Value)[]? weights, string? compile)
    {
        var model = new JsonObject { ["module"] = "keras", ["class_name"] = className, ["config"] = config, ["registered_name"] = null };
        if (compile is not null)
            model["compile_config"] = JsonNode.Parse(compile);
        return KerasModel.Of(KerasArchive.Create((weights ?? []).ToDictionary(weight => weight.Location, weight => Array(weight.Value)),
            modelConfig: model));
    }

    // What a node's first call gives.
    static JsonNode Reference(string node) =>
        JsonNode.Parse($$$"""{"class_name": "__keras_tensor__", "config": {"keras_history": ["{{{node}}}", 0, 0]}}""")!;

    static JsonObject Layer(string className, string config)
    {
        JsonObject settings = Infinorm.Config.PythonJson.Parse(config).AsObject();
        settings["name"] ??= className.ToLowerInvariant();
        return new JsonObject
        {
            ["module"] = "keras.layers",
            ["class_name"] = className,
            ["config"] = settings,
            ["registered_name"] = null
        };
    }

    static string Shape(long[] shape) =>
        $"[{string.Join(", ", shape.Select(size => size < 0 ? "null" : size.ToString(CultureInfo.InvariantCulture)))}]";

    static NdArray Array(Tensor tensor) => NdArray.FromBytes(
        tensor.dtype switch
        {
            ScalarType.Float16 => DType.Float16,
            ScalarType.BFloat16 => DType.BFloat16,
            ScalarType.Float64 => DType.Float64,
            _ => DType.Float32
        },
        tensor.contiguous().bytes, [.. tensor.shape.Select(size => (nint)size)]);
}
