using System.Text.RegularExpressions;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace Infinorm.Torch.Tests;

/// <summary>The C# of docs/torchsharp.md is the code of this file, so it compiles and runs.</summary>
public partial class DocsTests
{
    [Fact]
    public void TheirExampleTrains()
    {
        using Tensor x = TensorTools.Random(1, 64, 4), y = x.square().sum(1, keepdim: true);
        (Tensor, Tensor)[] batches = [(x, y)];
        manual_seed(1);
        // snippet
        using var model = nn.Sequential(("hidden", nn.Linear(4, 16)), ("relu", nn.ReLU()), ("out", nn.Linear(16, 1)));
        using TorchOptimizer optimizer = new Adamax(0.01) { GlobalClipNorm = 1, WeightDecay = 0.004, UseEma = true }.For(model);
        var scheduler = lr_scheduler.StepLR(optimizer, step_size: 10, gamma: 0.5);
        for (int epoch = 0; epoch < 30; epoch++)
        {
            foreach ((Tensor inputs, Tensor targets) in batches)
            {
                using var scope = NewDisposeScope();
                optimizer.zero_grad();
                Tensor loss = nn.functional.mse_loss(model.forward(inputs), targets);
                loss.backward();
                optimizer.step();
            }

            scheduler.step();
        }

        optimizer.FinalizeVariableValues(); // the averages become the weights
        // end
        using Tensor trained = nn.functional.mse_loss(model.forward(x), y), untrained = y.square().mean();
        Assert.True(trained.item<float>() < untrained.item<float>());
        Assert.Equal(30, optimizer.Optimizer.Iterations);
        Assert.Equal(0.00125, optimizer.ParamGroups.Single().LearningRate, 1e-8);
    }

    [Fact]
    public void TheirExampleIsThisCode() => AssertIsExample("torchsharp.md", "DocsTests.cs");

    /// <summary>The first C# on a page is what stands between "// snippet" and "// end" in a test file.</summary>
    internal static void AssertIsExample(string page, params string[] testFile)
    {
        string root = FindRoot();
        string docs = Block().Match(File.ReadAllText(Path.Combine(root, "docs", page))).Groups[1].Value;
        string code = File.ReadAllText(Path.Combine([root, "tests", "Infinorm.TorchSharp.Tests", .. testFile]));
        string[] lines = Snippet().Match(code).Groups[1].Value.Split('\n');
        Assert.Equal(string.Join('\n', lines.Select(line => line.Length == 0 ? line : line[8..])), docs);
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
}
