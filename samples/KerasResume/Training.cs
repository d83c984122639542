using System.Globalization;
using System.Text.Json.Nodes;
using Infinorm.Keras;
using Infinorm.Keras.Torch;
using Infinorm.Samples.Speech;
using Infinorm.Torch.Training;
using Infinorm.Variables;
using static TorchSharp.torch;

namespace Infinorm.Samples.KerasResume;

/// <summary>Right answers on the test part under one noise, in per cent.</summary>
sealed record Heard(string Noise, double Before, double After);

/// <summary>What came of the training.</summary>
sealed record Result(IReadOnlyList<EpochLog> Epochs, IReadOnlyList<Heard> Tests);

/// <summary>The model's training from where its file left it.</summary>
sealed class Training(KerasModel model, Corpus corpus, TextWriter output)
{
    /// <summary>Tests, trains and tests again.</summary>
    public Result Run(int epochs, int seed)
    {
        output.WriteLine(model.Summary());
        Line($"trained for {model.Optimizer.Optimizer.Iterations} steps with {model.Optimizer.Optimizer.Name}");
        Line($"{corpus.TrainCount} recordings to train with, {corpus.TestCount} to test with");
        (string Noise, double Accuracy)[] before = Test();
        History history = model.Fit(corpus.Noisy, epochs, new FitOptions { Seed = seed, Callbacks = [new ProgressBar()] });
        Heard[] tests = [.. before.Zip(Test(), (then, now) => new Heard(then.Noise, then.Accuracy, now.Accuracy))];
        Line($"after {model.Optimizer.Optimizer.Iterations} steps, accuracy in per cent:");
        Line($"             before   after");
        foreach (Heard test in tests)
            Line($"{test.Noise,-12} {test.Before,6:F1} {test.After,7:F1}");
        return new Result(history.Epochs, tests);
    }

    /// <summary>
    /// Makes the model that the sample begins with where there is no Keras: the config that Keras writes, random weights, clean speech.
    /// </summary>
    public static void MakeModel(Corpus corpus, int epochs, string path)
    {
        JsonObject config = JsonNode.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "digits.json")))!.AsObject();
        var random = new Random(1);
        var weights = new Dictionary<string, NdArray>();
        Add("conv2d", 3, 3, 1, 8);
        Add("conv2d_1", 3, 3, 8, 12);
        Add("conv2d_2", 3, 3, 12, 16);
        Add("dense", LogMel.Frames / 8 * (LogMel.Bands / 8) * 16, 10);
        using KerasModel model = KerasModel.Of(KerasArchive.Create(weights, modelConfig: config));
        model.Fit(corpus.Clean, epochs, new FitOptions { Seed = 1, Callbacks = [new ProgressBar()] });
        model.Save(path);

        // Keras's glorot_uniform, and biases of zeros.
        void Add(string group, params int[] shape)
        {
            int field = shape[..^2].Aggregate(1, (x, y) => x * y);
            double limit = Math.Sqrt(6.0 / (field * (shape[^2] + shape[^1])));
            weights[$"layers/{group}/vars/0"] = NdArray.Create(
                [.. Enumerable.Range(0, field * shape[^2] * shape[^1]).Select(_ => (float)(((2 * random.NextDouble()) - 1) * limit))],
                    shape);
            weights[$"layers/{group}/vars/1"] = NdArray.Create(new float[shape[^1]]);
        }
    }

    (string Noise, double Accuracy)[] Test() =>
        [.. NoiseCondition.Noisy(5).Prepend(new(NoiseKind.Clean)).Select(condition => ($"{condition}", Accuracy(condition)))];

    double Accuracy(NoiseCondition condition)
    {
        using var scope = NewDisposeScope();
        (Tensor input, Tensor target) = corpus.TestUnder(condition);
        return 100 * model.Evaluate(input, target)["accuracy"];
    }

    void Line(FormattableString text) => output.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
