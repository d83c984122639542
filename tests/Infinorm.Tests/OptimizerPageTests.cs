using Infinorm.Checkpoints;
using Infinorm.Constraints;
using Infinorm.Optimizers;
using Infinorm.Schedules;
using Infinorm.Variables;

namespace Infinorm.Tests;

/// <summary>The examples of docs/optimizer.md, and its table of settings.</summary>
public sealed class OptimizerPageTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory().FullName;
    readonly float[] _kernel = [1, -2, 3, -4], _bias = [0, 0];
    readonly float[] _kernelGradient = [1, 1, 1, 1], _biasGradient = [1, 1];

    [Fact]
    public void ItsTableHasEverySettingWithItsDefault()
    {
        string page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "optimizer.md"));
        string[] rows = [.. page.Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal))];
        Dictionary<string, string> defaults = rows.Select(row => row.Split('|', StringSplitOptions.TrimEntries))
            .Where(cells => cells.Length == 6).ToDictionary(cells => cells[1].Trim('`'), cells => cells[3]);
        var optimizer = new Adamax();
        Dictionary<string, object?> actual = typeof(RuleOptimizer).GetProperties()
            .Where(property => property.DeclaringType == typeof(RuleOptimizer) && property.SetMethod?.IsPublic == true && property.Name != nameof(Optimizer.LearningRate))
            .Where(property => property.Name != nameof(RuleOptimizer.MaxDegreeOfParallelism))
            .ToDictionary(property => property.Name, property => property.GetValue(optimizer));
        Assert.NotEmpty(actual);
        Assert.All(actual, setting => Assert.Equal(Text(setting.Value), Assert.Contains(setting.Key, (IReadOnlyDictionary<string, string>)defaults)));
        Assert.Equal($"{(float)optimizer.CurrentLearningRate}, {optimizer.Beta1}, {optimizer.Beta2}, {optimizer.Epsilon}",
            $"{defaults["learningRate"]}, {defaults["beta1"]}, {defaults["beta2"]}, {defaults["epsilon"].Replace("1e-7", "1E-07", StringComparison.Ordinal)}");

        static string Text(object? value) => value switch
        {
            null => "null",
            bool flag => flag ? "true" : "false",
            IFormattable number => number.ToString(null, System.Globalization.CultureInfo.InvariantCulture),
            _ => $"{value}",
        };
    }

    [Fact]
    public void AStepTellsWhatItDid()
    {
        (float[] kernel, float[] bias, float[] kernelGradient, float[] biasGradient) = (_kernel, _bias, _kernelGradient, _biasGradient);
        // snippet
        var optimizer = new Adamax(0.002) { GlobalClipNorm = 1 };
        optimizer.Build(new Variable<float>("dense/kernel", kernel, [2, 2]), new Variable<float>("dense/bias", bias));

        StepInfo info = optimizer.Apply(kernelGradient, biasGradient); // in the order of Build
        Console.WriteLine(info); // Updated at rate 0.002, norm 2.4494898, clipped by 0.40824828

        optimizer.Apply(kernelGradient, default); // the bias has no gradient this time and stays as it is
        optimizer.ApplyGradients((biasGradient, optimizer.TrainableVariables[1])); // Keras's apply_gradients
        // end
        Assert.Equal("Updated at rate 0.002, norm 2.4494898, clipped by 0.40824828", info.ToString());
        Assert.Equal(3, optimizer.Iterations);
    }

    [Fact]
    public void RatesCanBeSet()
    {
        // snippet
        var optimizer = new Adamax(0.002);
        optimizer.LearningRate = 0.001; // a number may be changed between any two steps

        var scheduled = new Adamax(new CosineDecay(0, decaySteps: 9_000, alpha: 0.1, warmupTarget: 0.002, warmupSteps: 1_000));

        double rate = 0.002;
        var asked = new Adamax(new LearningRate(() => rate)); // asked once at every step
        rate *= 0.5;
        // end
        Assert.Equal((0.001f, 0f, 0.001), ((float)optimizer.CurrentLearningRate, (float)scheduled.CurrentLearningRate, asked.CurrentLearningRate));
    }

    [Fact]
    public void GroupsAndFrozenVariables()
    {
        float[] backbone = [1, 2], head = [3, 4], bias = [5], gradient = [1, 1], biasGradient = [1];
        // snippet
        var optimizer = new AdamW(1e-3);
        optimizer.Build(
            new VariableGroup(new Variable<float>("backbone/kernel", backbone)) { LearningRate = 1e-5 },
            new VariableGroup(new Variable<float>("head/kernel", head)),
            new VariableGroup(new Variable<float>("head/bias", bias)) { WeightDecay = 0 });

        optimizer.Apply(default, gradient, biasGradient); // frozen: no gradient, no decay, no change
        optimizer.Apply(gradient, gradient, biasGradient); // thawed: steps at its own rate
        // end
        Assert.InRange(1 - backbone[0], 0.5e-5f, 2e-5f);
        Assert.InRange(3 - head[0], 1.9e-3f, 2.1e-3f);
    }

    [Fact]
    public void RowsOfATable()
    {
        // snippet
        float[] table = new float[50_000 * 64];
        var optimizer = new Adamax();
        optimizer.Build(new Variable<float>("words/embeddings", table, [50_000, 64]));

        int[] indices = [7, 42, 7]; // in any order; rows listed twice are summed
        float[] rows = new float[indices.Length * 64]; // one row of gradient for each index
        Array.Fill(rows, 1f);
        optimizer.Apply(Gradient.Rows(indices, rows));
        // end
        Assert.True(table[7 * 64] < 0 && table[42 * 64] < 0);
        Assert.Equal(2 * 64, table.Count(weight => weight != 0));
    }

    [Fact]
    public void ConstraintsHold()
    {
        (float[] kernel, float[] bias) = (_kernel, _bias);
        // snippet
        var optimizer = new Sgd(0.1);
        optimizer.Build(
            new Variable<float>("dense/kernel", kernel, [2, 2]) { Constraint = new MaxNorm(2, axis: 0) }, // each column's norm ≤ 2
            new Variable<float>("dense/bias", bias) { Constraint = new NonNeg() });
        // end
        optimizer.Apply(_kernelGradient, _biasGradient);
        Assert.Equal(2, MathF.Sqrt(kernel[0] * kernel[0] + kernel[2] * kernel[2]), 1e-5);
        Assert.Equal([0, 0], bias);
    }

    [Fact]
    public void AveragesGoInAndOut()
    {
        Variable[] variables = [new Variable<float>("kernel", _kernel)];
        float[] gradient = _kernelGradient;
        float Evaluate() => _kernel[0];
        // snippet
        var optimizer = new Adamax(0.01) { UseEma = true, EmaMomentum = 0.9 };
        optimizer.Build(variables);
        for (int step = 0; step < 10; step++)
            optimizer.Apply(gradient);

        float accuracy;
        using (optimizer.UseAverages()) // the averages are in the variables
            accuracy = Evaluate();
        float raw = Evaluate(); // the variables have their own values again, bit for bit

        optimizer.FinalizeVariableValues(); // at the end of training: the averages stay in the variables
        // end
        Assert.Equal(accuracy, Evaluate());
        Assert.True(raw < accuracy);
    }

    [Fact]
    public void StateIsReadAndSet()
    {
        Variable[] variables = [new Variable<float>("kernel", _kernel)];
        float[] gradient = _kernelGradient;
        // snippet
        var optimizer = new Adamax();
        optimizer.Build(variables);

        NdArray[] state = [.. optimizer.Variables.Select(variable => variable.ToNdArray())]; // a copy
        optimizer.Apply(gradient);
        optimizer.SetWeights(state); // the counter, the rate and the slots are what they were
        optimizer.TrainableVariables[0].Assign<float>(1, -2, 3, -4); // so are the weights

        NdArray[] weights = [variables[0].ToNdArray()];
        (NdArray[] newWeights, NdArray[] newState) = optimizer.StatelessApply(state, [gradient], weights); // changes nothing
        // end
        Assert.Equal([1f, -2, 3, -4], _kernel);
        Assert.True(newWeights[0].AsSpan<float>()[0] < 1);
        Assert.Equal(1, newState[0].AsSpan<long>()[0]);
        Assert.Equal(0, optimizer.Iterations);
    }

    [Fact]
    public void CheckpointsAreSavedAndLoaded()
    {
        Variable[] variables = [new Variable<float>("kernel", _kernel)];
        string path = Path.Combine(_folder, "run.safetensors");
        var optimizer = new Adamax();
        optimizer.Build(variables);
        optimizer.Apply(_kernelGradient);
        optimizer.Save(path);
        // snippet
        optimizer.Save(path, keep: 3); // and path.1, path.2, path.3 are the files before it

        optimizer.Restore(path); // into an optimizer with the same settings
        Optimizer same = Optimizer.Load(path, variables); // or make the optimizer from the file

        Variable[] renamed = [new Variable<double>("encoder/kernel", new double[4])];
        Optimizer other = Optimizer.Load(path, renamed, new LoadOptions
        {
            Rename = new Dictionary<string, string> { ["kernel"] = "encoder/kernel" }, // path in the file → path here
            ConvertType = ["variables", "optimizer"], // float in the file, double here
        });
        // end
        Assert.Equal(1, same.Iterations);
        Assert.Equal(_kernel[0], ((Variable<double>)other.TrainableVariables[0]).Span[0]);
        Assert.True(File.Exists(path + ".1"));
    }

    [Fact]
    public void TrainingStartsAnew()
    {
        Variable[] variables = [new Variable<float>("kernel", _kernel)];
        string path = Path.Combine(_folder, "run.safetensors");
        var old = new Adam();
        old.Build(variables);
        old.Apply(_kernelGradient);
        old.Save(path);
        // snippet
        Optimizer.Load(path, variables); // reads the weights into the variables
        var optimizer = new Adamax(1e-4); // another class, or the same with a new counter and empty slots
        optimizer.Build(variables);
        // end
        Assert.Equal(0, optimizer.Iterations);
        Assert.NotEqual(1, _kernel[0]);
    }

    [Fact]
    public void SixteenBitVariables()
    {
        float Backward(Half[] weights, Half[] gradient, float scale)
        {
            Array.Fill(gradient, (Half)(scale * 1e-6f * (float)weights[0]));
            return 0.5f;
        }

        // snippet
        Half[] weights = new Half[1024], gradient = new Half[1024];
        Array.Fill(weights, (Half)1);
        var optimizer = new LossScaleOptimizer(new AdamW(1e-4) { UseMasterWeights = true });
        optimizer.Build(new Variable<Half>("dense/kernel", weights));
        for (int step = 0; step < 20; step++)
        {
            float scale = optimizer.ScaleLoss(1f);
            Backward(weights, gradient, scale); // yours: the gradient of the loss times the scale
            if (optimizer.Apply(gradient).Result == StepResult.Skipped)
                Console.WriteLine($"a gradient was not finite; the scale is now {optimizer.DynamicScale}");
        }
        // end
        Assert.Equal(20, optimizer.InnerOptimizer.Iterations);
        Assert.InRange((float)weights[0], 0.99f, 0.9995f);
    }

    [Fact]
    public void ThreadsAreLimited()
    {
        // snippet
        var optimizer = new Adamax { MaxDegreeOfParallelism = 2 }; // the bits are the same for any number
        // end
        Assert.Equal(2, optimizer.MaxDegreeOfParallelism);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
