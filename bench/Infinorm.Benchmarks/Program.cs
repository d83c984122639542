using System.CommandLine;
using BenchmarkDotNet.Running;
using Infinorm.Benchmarks;
using Infinorm.Benchmarks.Losses;
using Infinorm.Benchmarks.Suites;

var bdn = new Command("bdn", "Runs the BenchmarkDotNet suites. What follows is for BenchmarkDotNet, such as: bdn --filter '*Step*' --job short")
{
    TreatUnmatchedTokensAsErrors = false,
};
bdn.SetAction(arguments =>
{
    BenchmarkSwitcher.FromAssembly(typeof(StepBenchmarks).Assembly).Run([.. arguments.UnmatchedTokens], InProcess.Config);
});
return new RootCommand("Measures Infinorm.") { CompareCommand.Create(), LossesCommand.Create(), RankCommand.Create(), bdn }.Parse(args).Invoke();
