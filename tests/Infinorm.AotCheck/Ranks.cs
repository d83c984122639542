using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Infinorm.Execution;
using Infinorm.Mpi;
using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.AotCheck;

/// <summary>A training over the ranks of an MPI job, or alone: the hash of the weights is the same.</summary>
static class Ranks
{
    const int Batches = 4, Updates = 5;

    public static void Train()
    {
        using World world = MpiWorld.Start();
        float[] weights = new float[50_000];
        var optimizer = new Adamax(0.01) { GradientAccumulationSteps = Batches, GlobalClipNorm = 1 };
        optimizer.Over(world);
        optimizer.Build(new Variable<float>("w", weights));
        foreach (int number in world.Share(Enumerable.Range(0, Batches * Updates)))
        {
            var random = new Random(number);
            optimizer.Apply(Enumerable.Range(0, weights.Length).Select(_ => random.NextSingle() - 0.5f).ToArray());
        }

        if (world.IsFirst)
            Console.WriteLine($"hash {Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes<float>(weights)))}");
    }
}
