using System.Globalization;
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
        float[] kernel = new float[784 * 10], gradient = new float[kernel.Length];

        var optimizer = new Adamax(new CosineDecay(1e-3, decaySteps: 10_000)) { GlobalClipNorm = 1, WeightDecay = 0.004, UseEma = true };
        optimizer.Build(new Variable<float>("dense/kernel", kernel, [784, 10]));

        for (int step = 0; step < 3; step++)
        {
            for (int i = 0; i < kernel.Length; i++)
                gradient[i] = kernel[i] + 1; // yours: the gradient of your loss
            StepInfo info = optimizer.Apply(gradient);
            Console.WriteLine($"{info.Result}: norm {info.GradientNorm:F2}, rate {info.LearningRate}");
        }

        optimizer.FinalizeVariableValues(); // the averages become the weights
        // end
        Assert.Equal(3, optimizer.Iterations);
        Assert.All(kernel, weight => Assert.True(weight < 0));
    }

    /// <summary>
    /// Every C# block of a page stands between "// snippet" and "// end" in a test. Where a block begins with usings, as those of the README
    /// do, they are all that the test's file has for this project and TorchSharp, so that a reader's program compiles too.
    /// </summary>
    [Theory]
    [InlineData("README.md", 5)]
    [InlineData("docs/optimizer.md", 11)]
    [InlineData("docs/optimizers.md", 1)]
    [InlineData("docs/keras-models.md", 2)]
    [InlineData("docs/torchsharp.md", 5)]
    [InlineData("docs/training.md", 12)]
    [InlineData("docs/scale.md", 1)]
    [InlineData("docs/your-own-optimizer.md", 4)]
    public void ItsExamplesAreCodeOfTests(string page, int least)
    {
        IReadOnlyList<Match> examples = Block().Matches(File.ReadAllText(Path.Combine(Repository.Root, page)));
        Assert.InRange(examples.Count, least, int.MaxValue);
        string[] tests = [.. TestFiles()];
        Assert.All(examples, example =>
        {
            string usings = example.Groups[1].Value, code = example.Groups[2].Value;
            string[] places = [.. tests.Where(test => Snippet().Matches(test).Any(snippet => Dedented(snippet) == code || Dedented(snippet) == usings + code))];
            Assert.True(places.Length > 0, $"This example is no test's:\n{code}");
            if (usings.Length > 0)
                Assert.Contains(places, test => Names(test).All(name => usings.Contains($"using {name};", StringComparison.Ordinal)));
        });

        // Of what a test names without its namespace: the usings, and the namespaces around that of the test.
        static IEnumerable<string> Names(string test) =>
        [
            "Infinorm", $"Infinorm{Around().Match(test).Groups[1].Value}", .. Using().Matches(test).Select(match => match.Groups[1].Value),
        ];

        static string Dedented(Match snippet) => snippet.Groups[2].Value.Replace("\n" + snippet.Groups[1].Value, "\n")[snippet.Groups[1].Length..];
    }

    [Fact]
    public void TheReadmeTellsHowManyCasesAreRun()
    {
        if (Environment.GetEnvironmentVariable("INFINORM_GOLDEN") is not null)
            return; // other cases than those that the README counts
        int run = Conformance.GoldenFolder.Entries.Count;
        Assert.Contains(
            run.ToString("N0", CultureInfo.InvariantCulture) + " cases that Keras", File.ReadAllText(Path.Combine(Repository.Root, "README.md")), StringComparison.Ordinal);
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

    [GeneratedRegex(@"```csharp\n((?:using [\w. ]+;\n)*\n?)(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@"^using ((?:static )?(?:Infinorm|TorchSharp)[\w.]*);$", RegexOptions.Multiline)]
    private static partial Regex Using();

    [GeneratedRegex(@"^namespace Infinorm(\.Keras\.Torch|\.Keras|\.Torch|)\.Tests", RegexOptions.Multiline)]
    private static partial Regex Around();

    [GeneratedRegex(@"^( *)// snippet\n(.*?)^\1// end\n", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Snippet();

    [GeneratedRegex(@"`([A-Z][A-Za-z0-9]+\.[A-Z][A-Za-z0-9]+)`(?=[,| ])")]
    private static partial Regex TestName();

    [GeneratedRegex(@"^(?:public |static |sealed |partial |unsafe )*class ([A-Za-z0-9]+)", RegexOptions.Multiline)]
    private static partial Regex TypeName();

    [GeneratedRegex(@"^    public (?:static |async |unsafe )*(?:void|Task) ([A-Za-z0-9]+)\(", RegexOptions.Multiline)]
    private static partial Regex MethodName();
}
