using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Infinorm;
using Infinorm.Execution;
using Infinorm.Mpi;
using Infinorm.Optimizers;
using Infinorm.Variables;

// One rank of a small training: rank 0 prints the hash of the weights and the state.
// FAULT: what goes wrong in the last rank, if anything. UPDATES, PAUSE, FOLDER: a run that goes on from its last checkpoint there.
const int batches = 8;
string fault = args.ElementAtOrDefault(0) ?? "none";
int updates = args.Length > 1 ? Number(1) : 6, pause = args.Length > 2 ? Number(2) : 0;
string? folder = args.ElementAtOrDefault(3);
try
{
    using World world = MpiWorld.Start(new MpiOptions
    {
        Timeout = TimeSpan.FromSeconds(fault is "hang" or "stop" ? 4 : 60),
        RollCallAfter = TimeSpan.FromSeconds(fault is "late" ? 1 : 30),
        GoodbyeTimeout = TimeSpan.FromSeconds(fault is "none" ? 30 : 2),
    });
    string? checkpoint = folder is null ? null : Path.Combine(folder, "run.safetensors");
    if (folder is not null)
        File.WriteAllText(Path.Combine(folder, $"{world.Rank}.pid"), Environment.ProcessId.ToString(CultureInfo.InvariantCulture));

    // A caught null reference: .NET tells it by a signal that a library below MPI must not take over.
    try
    {
        _ = Nothing()!.Length;
    }
    catch (NullReferenceException)
    {
    }

    Variable<float>[] variables = [new("large", new float[40_000]), new("small", new float[7])];
    Optimizer optimizer = new Adamax(0.01) { GradientAccumulationSteps = batches, GlobalClipNorm = 1, UseEma = true };
    optimizer.Over(world);
    optimizer.Build(variables);
    if (File.Exists(checkpoint))
        optimizer.Restore(checkpoint);
    int first = (int)optimizer.Iterations * batches;
    var losses = new List<double>();
    foreach (int number in world.Share(Enumerable.Range(first, (batches * updates) - first)))
    {
        bool fails = number >= batches * (fault == "late" ? updates - 1 : 3) && world.Rank == world.Size - 1;
        if (fails)
            Fail(fault);
        if (fails && fault == "save")
            optimizer.Save(Stream.Null);
        var random = new Random(number);
        losses.Add(random.NextDouble());
        int missing = fails && fault == "refuse" ? 1 : 0;
        StepInfo info = optimizer.Apply(
            [.. variables.Select(variable => (Gradient)Enumerable.Range(missing, variable.Length - missing).Select(_ => random.NextSingle() - 0.5f).ToArray())]);
        if (checkpoint is null || info.Result != StepResult.Updated)
            continue;
        Thread.Sleep(pause);
        if (optimizer.Iterations % 5 == 0)
            optimizer.Save(checkpoint);
    }

    using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    foreach (Variable<float> variable in variables)
        hash.AppendData(MemoryMarshal.AsBytes<float>(variable.Span));
    foreach (Variable variable in optimizer.Variables)
        hash.AppendData(MemoryMarshal.AsBytes(variable.ToNdArray().Cast(Infinorm.Types.DType.Float64).AsSpan<double>()));
    double mean = world.Mean(CollectionsMarshal.AsSpan(losses));
    if (folder is null)
        hash.AppendData(BitConverter.GetBytes(mean));
    if (world.IsFirst)
        Console.WriteLine($"{world.Size} ranks, hash {Convert.ToHexString(hash.GetHashAndReset())}");
    return 0;
}
catch (WorldException e)
{
    Console.Error.WriteLine(e.Message);
    return fault is "refuse" or "save" ? 0 : 3; // at another exit code mpirun ends the ranks that have not said it yet
}

int Number(int argument) => int.Parse(args[argument], CultureInfo.InvariantCulture);

static string? Nothing() => null;

static void Fail(string fault)
{
    using Process process = Process.GetCurrentProcess();
    switch (fault)
    {
        case "kill":
            Console.WriteLine($"killed at {DateTimeOffset.UtcNow.ToUnixTimeMilliseconds()}.");
            Console.Out.Flush();
            Thread.Sleep(300); // until the launcher has passed it on
            process.Kill();
            break;
        case "throw":
            throw new InvalidDataException("This rank fails.");
        case "exit":
            Environment.Exit(0);
            break;
        case "leave":
            throw new WorldException("This rank leaves.");
        case "hang":
            Thread.Sleep(Timeout.Infinite);
            break;
        case "stop":
            using (Process kill = Process.Start("kill", ["-STOP", $"{process.Id}"]))
                kill.WaitForExit();
            Thread.Sleep(Timeout.Infinite);
            break;
        case "late":
            Thread.Sleep(2000);
            break;
    }
}
