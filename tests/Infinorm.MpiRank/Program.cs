using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Infinorm;
using Infinorm.Execution;
using Infinorm.Mpi;
using Infinorm.Optimizers;
using Infinorm.Variables;

// One rank of a small training: rank 0 prints the hash of the weights and the state. The first argument says what goes wrong, if anything.
const int batches = 8, updates = 6;
string fault = args.ElementAtOrDefault(0) ?? "none";
try
{
    using World world = MpiWorld.Start(new MpiOptions
    {
        Timeout = TimeSpan.FromSeconds(fault == "hang" ? 2 : 60),
        GoodbyeTimeout = TimeSpan.FromSeconds(2),
    });

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
    foreach (int number in world.Share(Enumerable.Range(0, batches * updates)))
    {
        if (number >= batches * 3 && world.Rank == world.Size - 1)
            Fail(fault);
        var random = new Random(number);
        optimizer.Apply([.. variables.Select(variable => (Gradient)Enumerable.Range(0, variable.Length).Select(_ => random.NextSingle() - 0.5f).ToArray())]);
    }

    using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    foreach (Variable<float> variable in variables)
        hash.AppendData(MemoryMarshal.AsBytes<float>(variable.Span));
    foreach (Variable variable in optimizer.Variables)
        hash.AppendData(variable.ToNdArray().Cast(Infinorm.Types.DType.Float64).AsSpan<double>().ToArray().SelectMany(BitConverter.GetBytes).ToArray());
    if (world.IsFirst)
        Console.WriteLine($"{world.Size} ranks, hash {Convert.ToHexString(hash.GetHashAndReset())}");
    return 0;
}
catch (WorldException e)
{
    Console.Error.WriteLine(e.Message);
    return 3;
}

static string? Nothing() => null;

static void Fail(string fault)
{
    switch (fault)
    {
        case "kill":
            System.Diagnostics.Process.GetCurrentProcess().Kill();
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
    }
}
