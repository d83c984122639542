using Infinorm.Optimizers;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Infinorm.Benchmarks;

/// <summary>An element-wise optimizer other than Adamax, which has cases of its own.</summary>
/// <param name="Label">Its part of the cases' names.</param>
/// <param name="Make">Makes it, with defaults unless its label says otherwise.</param>
/// <param name="TorchSharps">Makes TorchSharp's own with the same switches; null where there is none or another member is measured against it.</param>
sealed record FamilyMember(string Label, Func<RuleOptimizer> Make, Func<IEnumerable<Parameter>, optim.Optimizer>? TorchSharps = null)
{
    public static readonly IReadOnlyList<FamilyMember> All =
    [
        new("sgd", () => new Sgd(), parameters => optim.SGD(parameters, 0.01)),
        new("sgd-momentum", () => new Sgd(momentum: 0.9), parameters => optim.SGD(parameters, 0.01, momentum: 0.9)),
        new("rmsprop", () => new RMSprop(), parameters => optim.RMSProp(parameters)),
        new("adam", () => new Adam(), parameters => optim.Adam(parameters)),
        new("adamw", () => new AdamW(), parameters => optim.AdamW(parameters)),
        new("adadelta", () => new Adadelta(), parameters => optim.Adadelta(parameters)),
        new("adagrad", () => new Adagrad(), parameters => optim.Adagrad(parameters)),
        new("nadam", () => new Nadam(), parameters => optim.NAdam(parameters)),
        new("ftrl", () => new Ftrl()),
        new("lion", () => new Lion()),
        new("schedulefreeadamw", () => new ScheduleFreeAdamW()),
        new("torchadamax", () => new TorchAdamax()),
        new("torchadam", () => new TorchAdam()),
        new("torchadamw", () => new TorchAdamW()),
        new("torchsgd", () => new TorchSgd()),
    ];

    public string CeilingCase => $"ceiling/{Label}/25M/{Workbench.AllThreads}T";

    public string TorchCase => $"torchsharp/{Label}/mixed25M/{Workbench.AllThreads}T";
}
