using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Infinorm.Constraints;
using Infinorm.Tests.Properties;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Execution.Sharded;

/// <summary>
/// A model of all types with lengths around the borders of chunks, a constraint, a variable that its gradient replaces and an empty one,
/// and the gradients of each batch, some missing, one of them sparse.
/// </summary>
sealed class ShardedModel(int seed, bool isFloat = false)
{
    const int Chunk = 16 * 1024;

    public static int[] Lengths { get; } = [1, Chunk - 4, Chunk, Chunk + 1, (2 * Chunk) + 4, 400, 0, 36, 12];

    readonly Model _model = new(
        isFloat
            ? [.. Lengths.Select(_ => DType.Float32)]
            :
            [
                DType.Float32, DType.Float16, DType.Float32, DType.Float64, DType.Float32, DType.BFloat16, DType.Float32, DType.Float16,
                DType.Float64,
            ],
        Lengths, seed);

    readonly ConcurrentDictionary<(int Update, int Batch, bool IsComplete), Gradient[]> _made = []; // the same for all ranks

    public Variable[] MakeVariables()
    {
        Variable[] variables = _model.MakeVariables();
        variables[5].Constraint = new MaxNorm(0.9);
        variables[7].Constraint = new NonNeg();
        return [.. variables, new Variable<float>("scale", new float[7]) { OverwriteWithGradient = true }];
    }

    /// <summary>The gradients of a batch. In every third update, a variable has none in any batch.</summary>
    public Gradient[] MakeGradients(int update, int batch, bool isComplete = false) =>
        [.. _made.GetOrAdd((update, batch, isComplete), key => Make(key.Update, key.Batch, key.IsComplete))];

    Gradient[] Make(int update, int batch, bool isComplete)
    {
        Gradient[] gradients = [.. _model.MakeGradients((update * 64) + batch), Floats(7, (update * 64) + batch)];
        var random = new Random((update * 997) + batch + seed);
        for (int i = 0; isComplete && i < gradients.Length; i++)
        {
            if (gradients[i].IsNone)
                gradients[i] = isFloat || i is 0 or 2 or 4 or 6 ? Floats(i < Lengths.Length ? Lengths[i] : 7, update + i) : gradients[i];
        }

        if (!isComplete)
        {
            if (random.Next(3) == 0)
                gradients[4] = Gradient.Rows([0, 5, 3, 5], Values(16, random));
            if (update % 3 == 1)
                gradients[2] = default;
            if (update % 3 == 2)
                gradients[9] = default;
        }

        return gradients;

        static float[] Floats(int length, int seed) => Values(length, new Random(seed));
    }

    /// <summary>What two arrays of the same bits have in common.</summary>
    public static string Hash(NdArray values) =>
        Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(values.Cast(DType.Float64).AsSpan<double>())));

    static float[] Values(int length, Random random) => [.. Enumerable.Range(0, length).Select(_ => (random.NextSingle() * 4) - 2)];
}
