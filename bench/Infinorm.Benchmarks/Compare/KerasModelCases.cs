using System.Globalization;
using System.Text.Json.Nodes;
using Infinorm.Keras;
using Infinorm.Keras.Torch;
using Infinorm.Keras.Torch.Training;
using Infinorm.Torch;
using Infinorm.Variables;
using TorchSharp;
using static Infinorm.Benchmarks.Workbench;
using static TorchSharp.torch;

namespace Infinorm.Benchmarks;

/// <summary>
/// A Keras model that is opened against the same network written by hand in TorchSharp: predicting, and a step of training with the same
/// optimizer.
/// </summary>
static class KerasModelCases
{
    const int Classes = 10;

    static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(10);

    static readonly Network[] Networks =
    [
        new("mlp", 64, [784], [784],
            [new("Dense", """{"units": 256, "activation": "relu"}""", [784, 256], [256]),
                new("Dense", """{"units": 256, "activation": "relu"}""", [256, 256], [256]),
                new("Dense", """{"units": 10}""", [256, Classes], [Classes])],
            () => nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, Classes))),
        new("cnn", 32, [28, 28, 1], [1, 28, 28],
            [
                new("Conv2D", """{"filters": 16, "kernel_size": [3, 3], "activation": "relu"}""", [3, 3, 1, 16], [16]),
                    new("MaxPooling2D", """{"pool_size": [2, 2]}"""),
                new("Conv2D", """{"filters": 32, "kernel_size": [3, 3], "activation": "relu"}""", [3, 3, 16, 32], [32]),
                new("MaxPooling2D", """{"pool_size": [2, 2]}"""),
                new("Flatten", "{}"), new("Dense", """{"units": 10}""", [800, Classes], [Classes]),
            ],
            () => nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
                nn.Flatten(), nn.Linear(800, Classes))),
        new("lstm", 32, [50, 40], [50, 40],
            [new("LSTM", """{"units": 64}""", [40, 256], [64, 256], [256]), new("Dense", """{"units": 10}""", [64, Classes], [Classes])],
            () => new LstmNetwork()),
    ];

    public static IEnumerable<Case> All() => from network in Networks from trains in new[] { false, true } select Of(network, trains);

    static Case Of(Network network, bool trains) => new($"kerasmodel/{network.Name}/{(trains ? "train" : "predict")}", budget =>
    {
        set_num_threads(AllThreads);
        using KerasModel ours = network.Open();
        using nn.Module<Tensor, Tensor> theirs = network.ByHand();
        using Tensor x = rand([network.Batch, .. network.KerasShape]), xByHand = rand([network.Batch, .. network.TorchShape]);
        using Tensor y = randint(0, Classes, [network.Batch], dtype: ScalarType.Int64);
        using TorchOptimizer optimizer = Bare(AllThreads).For(theirs);
        ours.Compile(Bare(AllThreads));
        var data = new KerasData(x, y);
        theirs.train(trains);
        Contender[] contenders = trains
            ? [new(() => ours.TrainOnBatch(data)), new(Train)]
            : [new(() => ours.Predict(x, network.Batch).Dispose()), new(Predict)];
        return Measurement.Of(Rounds.Measure(contenders, budget, Settle), times => times[0] / times[1]);

        void Train()
        {
            using DisposeScope scope = NewDisposeScope();
            optimizer.zero_grad();
            Tensor loss = nn.functional.cross_entropy(theirs.forward(xByHand), y);
            loss.backward();
            optimizer.step();
            _ = loss.item<float>();
        }

        void Predict()
        {
            using DisposeScope scope = NewDisposeScope();
            using IDisposable noGrad = no_grad();
            theirs.forward(xByHand);
        }
    });

    /// <summary>A network as Keras has it and by hand.</summary>
    sealed record Network(string Name, int Batch, long[] KerasShape, long[] TorchShape, Layer[] Layers,
        Func<nn.Module<Tensor, Tensor>> ByHand)
    {
        public KerasModel Open()
        {
            var layers = new JsonArray(Serialized("InputLayer",
                new JsonObject
                {
                    ["name"] = "input",
                    ["batch_shape"] = new JsonArray([null, .. KerasShape.Select(size => (JsonNode)size)])
                }));
            var arrays = new Dictionary<string, NdArray>();
            var counts = new Dictionary<string, int>();
            foreach (Layer layer in Layers)
            {
                JsonObject settings = JsonNode.Parse(layer.Config)!.AsObject();
                settings["name"] = string.Create(CultureInfo.InvariantCulture, $"layer{layers.Count}");
                layers.Add(Serialized(layer.Class, settings));
                string group = layer.Class.ToLowerInvariant();
                int number = counts[group] = counts.GetValueOrDefault(group) + 1;
                string location = $"layers/{(number == 1 ? group : string.Create(CultureInfo.InvariantCulture, $"{group}_{number - 1}"))}{(layer.Class == "LSTM" ? "/cell" : "")}/vars";
                for (int i = 0; i < layer.Weights.Length; i++)
                    arrays[$"{location}/{i}"] = Random(layer.Weights[i]);
            }

            var config = new JsonObject
            {
                ["module"] = "keras",
                ["class_name"] = "Sequential",
                ["config"] = new JsonObject { ["name"] = Name, ["layers"] = layers },
                ["registered_name"] = null,
                ["compile_config"] = new JsonObject
                {
                    ["loss"] = Serialized("SparseCategoricalCrossentropy",
                    new JsonObject { ["from_logits"] = true }, "keras.losses")
                },
            };
            return KerasModel.Of(KerasArchive.Create(arrays, modelConfig: config));
        }

        static JsonObject Serialized(string className, JsonObject config, string module = "keras.layers") =>
            new() { ["module"] = module, ["class_name"] = className, ["config"] = config, ["registered_name"] = null };

        static NdArray Random(int[] shape)
        {
            var random = new Random(1);
            return NdArray.Create([.. Enumerable.Range(0, shape.Aggregate((a, b) => a * b)).Select(_ => (random.NextSingle() - 0.5f) / 10)],
                shape);
        }
    }

    sealed record Layer(string Class, string Config, params int[][] Weights);

    sealed class LstmNetwork : nn.Module<Tensor, Tensor>
    {
        readonly TorchSharp.Modules.LSTM _lstm = nn.LSTM(40, 64, batchFirst: true);
        readonly TorchSharp.Modules.Linear _out = nn.Linear(64, Classes);

        public LstmNetwork()
            : base("lstm") => RegisterComponents();

        public override Tensor forward(Tensor input) => _out.forward(_lstm.call(input).Item1.select(1, -1));
    }
}
