using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace Infinorm.Benchmarks.Suites;

/// <summary>
/// The suites run in this process. BenchmarkDotNet's own way, a built project for each run, would copy libtorch every time.
/// </summary>
static class InProcess
{
    public static IConfig Config { get; } =
        DefaultConfig.Instance.AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance).AsMutator());
}
