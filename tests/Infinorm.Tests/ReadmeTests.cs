using System.Text.RegularExpressions;
using Infinorm.Optimizers;
using Infinorm.Schedules;
using Infinorm.Variables;

namespace Infinorm.Tests;

/// <summary>The examples in the docs are code of tests, this one among them, so they compile and run.</summary>
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

    /// <summary>Every C# block of the README, and the first of each page, stands between "// snippet" and "// end" in a test.</summary>
    [Theory]
    [InlineData("README.md", 4)]
    [InlineData("docs/your-own-optimizer.md", 4)]
    [InlineData("docs/optimizers.md", 1)]
    [InlineData("docs/torchsharp.md", 1)]
    [InlineData("docs/training.md", 1)]
    [InlineData("docs/scale.md", 1)]
    public void ItsExamplesAreCodeOfTests(string page, int least)
    {
        string[] blocks = [.. Block().Matches(File.ReadAllText(Path.Combine(Repository.Root, page))).Select(match => match.Groups[1].Value)];
        string[] examples = page is "README.md" or "docs/your-own-optimizer.md" ? blocks : blocks[..1];
        Assert.InRange(examples.Length, least, int.MaxValue);
        HashSet<string> snippets = [.. TestFiles().SelectMany(code => Snippet().Matches(code)).Select(Dedented)];
        Assert.All(examples, example => Assert.Contains(example, snippets));

        static string Dedented(Match snippet) => snippet.Groups[2].Value.Replace("\n" + snippet.Groups[1].Value, "\n")[snippet.Groups[1].Length..];
    }

    [Fact]
    public void EveryTestThatTheParityTableNamesExists()
    {
        string table = File.ReadAllText(Path.Combine(Repository.Root, "docs", "keras-parity.md"));
        string[] named = [.. TestName().Matches(table).Select(match => match.Groups[1].Value).Distinct()];
        HashSet<string> existing = [.. TestFiles().SelectMany(TestsOf)];
        Assert.NotEmpty(named);
        Assert.All(named, name => Assert.Contains(name, existing));

        static IEnumerable<string> TestsOf(string code)
        {
            string type = TypeName().Match(code).Groups[1].Value;
            return MethodName().Matches(code).Select(match => $"{type}.{match.Groups[1].Value}");
        }
    }

    static IEnumerable<string> TestFiles() => Directory
        .EnumerateFiles(Path.Combine(Repository.Root, "tests"), "*.cs", SearchOption.AllDirectories)
        .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
        .Select(File.ReadAllText);

    static void Backward(float[] kernel, float[] bias, float[] kernelGradient, float[] biasGradient)
    {
        Array.Fill(kernelGradient, kernel[0] + 1);
        Array.Fill(biasGradient, bias[0] + 1);
    }

    [GeneratedRegex(@"```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@"^( *)// snippet\n(.*?)^\1// end\n", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Snippet();

    [GeneratedRegex(@"`([A-Z][A-Za-z0-9]+\.[A-Z][A-Za-z0-9]+)`(?=[,| ])")]
    private static partial Regex TestName();

    [GeneratedRegex(@"^(?:public |static |sealed |partial |unsafe )*class ([A-Za-z0-9]+)", RegexOptions.Multiline)]
    private static partial Regex TypeName();

    [GeneratedRegex(@"^    public (?:static |async |unsafe )*(?:void|Task) ([A-Za-z0-9]+)\(", RegexOptions.Multiline)]
    private static partial Regex MethodName();
}
