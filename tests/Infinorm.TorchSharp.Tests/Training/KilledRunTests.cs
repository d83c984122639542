using System.Diagnostics;
using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;

namespace Infinorm.Torch.Tests.Training;

/// <summary>
/// A training process is killed, without warning, again and again, and each time another goes on from the last checkpoint.
/// </summary>
[Collection(nameof(Alone))]
public sealed class KilledRunTests : IDisposable
{
    const string FileVariable = "INFINORM_KILLED_RUN", StepsVariable = "INFINORM_KILLED_RUN_STEPS";
    const int Epochs = 6, Rounds = 4;

    /// <summary>After so many steps a process waits to be killed: in all rounds together fewer than the run has.</summary>
    const int StepsARound = 12;

    readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    [Fact]
    public async Task EndsWithTheSameBits()
    {
        if (Environment.GetEnvironmentVariable(FileVariable) is { } run)
        {
            Train(run, int.Parse(Environment.GetEnvironmentVariable(StepsVariable)!)); // this is a process to be killed
            return;
        }

        using var whole = new Problem();
        whole.Trainer.Fit(whole.Data, Epochs, new() { Seed = 11, ValidationData = whole.Data, Callbacks = [new EarlyStopping(patience: 50)] });

        string file = Path.Combine(_folder, "run.safetensors");
        var when = new Random(1);
        for (int round = 0; round < Rounds; round++)
        {
            DateTime former = File.GetLastWriteTimeUtc(file);
            using Process process = Start(file, StepsARound);
            while (File.GetLastWriteTimeUtc(file) == former && !process.HasExited)
                await Task.Delay(1, TestContext.Current.CancellationToken);
            await Task.Delay(when.Next(100), TestContext.Current.CancellationToken);
            process.Kill();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.NotEqual(former, File.GetLastWriteTimeUtc(file)); // else it failed by itself
        }

        using Process last = Start(file, int.MaxValue);
        await last.WaitForExitAsync(TestContext.Current.CancellationToken);
        string[] ends = await File.ReadAllLinesAsync(End(file), TestContext.Current.CancellationToken);
        Assert.True(long.Parse(ends[0]) >= 2 * Rounds, "The last process did not go on from the checkpoint of those before.");
        Assert.Equal(Convert.ToHexString(whole.Weights()), ends[1]);
    }

    static void Train(string file, int steps)
    {
        using var problem = new Problem();
        var slow = new Slow(steps);
        problem.Trainer.Fit(problem.Data, Epochs, new()
        {
            Seed = 11,
            ValidationData = problem.Data,
            Callbacks = [new EarlyStopping(patience: 50), new Checkpoint(file) { EverySteps = 2 }, slow],
            ResumeFrom = file,
        });
        File.WriteAllLines(End(file), [$"{slow.Begun}", Convert.ToHexString(problem.Weights())]);
    }

    static string End(string file) => file + ".end";

    static Process Start(string file, int steps)
    {
        string method = $"{typeof(KilledRunTests).FullName}.{nameof(EndsWithTheSameBits)}";
        string program = Path.ChangeExtension(typeof(KilledRunTests).Assembly.Location, OperatingSystem.IsWindows() ? ".exe" : null);
        var start = new ProcessStartInfo(program)
        {
            ArgumentList = { "-method", method },
            RedirectStandardOutput = true,
            Environment = { [FileVariable] = file, [StepsVariable] = $"{steps}" },
        };
        Process process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        return process;
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    // So slow that it can be killed in the midst of its steps, and it waits for that after so many.
    sealed class Slow(int steps) : Callback
    {
        public long Begun { get; private set; }

        public override void OnFitBegin(TrainingRun run) => Begun = run.Step;

        public override void OnBatchEnd(TrainingRun run) =>
            Thread.Sleep(run.Step - Begun < steps ? TimeSpan.FromMilliseconds(10) : TimeSpan.FromMinutes(5));
    }
}
