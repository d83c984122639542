using System.Text.RegularExpressions;

namespace Infinorm.Tests;

/// <summary>The README's C# is the code of this file, so it compiles and runs.</summary>
public partial class ReadmeTests
{
    [Fact]
    public void ItsExampleTrains()
    {
        // snippet
        float[] kernel = new float[784 * 10], bias = new float[10];
        float[] kernelGradient = new float[kernel.Length], biasGradient = new float[bias.Length];

        var optimizer = new Adamax(new CosineDecay(1e-3, decaySteps: 10_000))
        {
            GlobalClipNorm = 1.0,
            WeightDecay = 0.004,
            UseEma = true,
        };
        optimizer.ExcludeFromWeightDecay(names: ["bias"]);
        optimizer.Build(new Variable<float>("dense/kernel", kernel, [784, 10]), new Variable<float>("dense/bias", bias));

        for (int step = 0; step < 3; step++)
        {
            Backward(kernel, bias, kernelGradient, biasGradient); // yours
            StepInfo info = optimizer.Apply(kernelGradient, biasGradient);
            Console.WriteLine($"{info.Result}: norm {info.GradientNorm:F2}, rate {info.LearningRate}");
        }

        optimizer.FinalizeVariableValues(); // the averages become the weights
        // end
        Assert.Equal(3, optimizer.Iterations);
        Assert.All(kernel, weight => Assert.True(weight < 0));
    }

    [Fact]
    public void ItsExampleIsThisCode()
    {
        string root = FindRoot();
        string readme = Block().Match(File.ReadAllText(Path.Combine(root, "README.md"))).Groups[1].Value;
        string code = File.ReadAllText(Path.Combine(root, "tests", "Infinorm.Tests", "ReadmeTests.cs"));
        string[] lines = Snippet().Match(code).Groups[1].Value.Split('\n');
        Assert.Equal(string.Join('\n', lines.Select(line => line.Length == 0 ? line : line[8..])), readme);
    }

    [Fact]
    public void EveryTestThatTheParityTableNamesExists()
    {
        string table = File.ReadAllText(Path.Combine(FindRoot(), "docs", "keras-parity.md"));
        string[] named = [.. TestName().Matches(table).Select(match => match.Groups[1].Value).Distinct()];
        var existing = typeof(ReadmeTests).Assembly.GetTypes()
            .SelectMany(type => type.GetMethods().Select(method => $"{type.Name}.{method.Name}"))
            .ToHashSet();
        Assert.NotEmpty(named);
        Assert.All(named, name => Assert.Contains(name, existing));
    }

    static void Backward(float[] kernel, float[] bias, float[] kernelGradient, float[] biasGradient)
    {
        Array.Fill(kernelGradient, kernel[0] + 1);
        Array.Fill(biasGradient, bias[0] + 1);
    }

    static string FindRoot()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Infinorm.slnx")))
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The tests do not run inside the repository.");
        return folder;
    }

    [GeneratedRegex(@"```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@"        // snippet\n(.*?)        // end\n", RegexOptions.Singleline)]
    private static partial Regex Snippet();

    [GeneratedRegex(@"`([A-Z][A-Za-z0-9]+\.[A-Z][A-Za-z0-9]+)`(?=[,| ])")]
    private static partial Regex TestName();
}
