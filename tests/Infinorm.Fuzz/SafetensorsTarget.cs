using System.Buffers.Binary;
using Infinorm.Checkpoints;
using Infinorm.Optimizers;
using Infinorm.Schedules;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Fuzz;

/// <summary>Checkpoints: every tensor is read, and all is loaded, or nothing.</summary>
sealed class SafetensorsTarget : FuzzTarget
{
    const int PrefixLength = 8;

    // One optimizer for each checkpoint among the seeds, with the state that it has between inputs.
    readonly (Optimizer Optimizer, byte[] Checkpoint)[] _optimizers = [.. MakeOptimizers().Select(optimizer => (optimizer, Save(optimizer)))];

    public override string Name => "safetensors";

    public override IReadOnlyList<byte[]> Seeds => field ??= [.. _optimizers.Select(pair => pair.Checkpoint), AllTypes(), OtherTypes()];

    // Damage to the header as a whole seldom gets beyond its length or its JSON, so most inputs keep the length true.
    public override byte[] MakeInput(Mutator mutator)
    {
        byte[] seed = mutator.Pick(Seeds);
        if (mutator.Once(4))
            return mutator.Mutate(seed);
        int dataStart = PrefixLength + (int)BinaryPrimitives.ReadInt64LittleEndian(seed);
        byte[] header = mutator.Mutate(seed[PrefixLength..dataStart]);
        byte[] input = [.. new byte[PrefixLength], .. header, .. seed[dataStart..]];
        BinaryPrimitives.WriteInt64LittleEndian(input, header.Length);
        return input;
    }

    public override bool Read(byte[] input)
    {
        SafetensorsFile file;
        try
        {
            file = new SafetensorsFile(new MemoryStream(input), "input");
        }
        catch (InvalidFileException)
        {
            return false;
        }

        foreach (SafetensorsEntry entry in file.Tensors.Values)
            file.Read(entry);
        bool accepted = false;
        foreach (var (optimizer, checkpoint) in _optimizers)
        {
            accepted |= Loads(optimizer, checkpoint, () => CheckpointFile.Restore(optimizer, file, new LoadOptions()));
            accepted |= Loads(optimizer, checkpoint, () => CheckpointFile.Load(file, [.. optimizer.TrainableVariables], new LoadOptions()));
        }

        return accepted;
    }

    /// <summary>Whether all was loaded; if not, nothing may have changed.</summary>
    static bool Loads(Optimizer optimizer, byte[] checkpoint, Action load)
    {
        try
        {
            load();
        }
        catch (Exception e) when (e is InvalidFileException or CheckpointMismatchException)
        {
            return Save(optimizer).AsSpan().SequenceEqual(checkpoint)
                ? false
                : throw new InvalidOperationException("The state changed although loading failed.", e);
        }

        CheckpointFile.Restore(optimizer, new SafetensorsFile(new MemoryStream(checkpoint), "seed"), new LoadOptions());
        return true;
    }

    static byte[] Save(Optimizer optimizer)
    {
        var stream = new MemoryStream();
        CheckpointFile.Write(optimizer, stream, includeVariables: true);
        return stream.ToArray();
    }

    static IEnumerable<Optimizer> MakeOptimizers()
    {
        var plain = new Adamax { Name = "plain", WeightDecay = 0.1 };
        plain.ExcludeFromWeightDecay(names: ["bias"]);
        var scaled = new LossScaleOptimizer(new Adamax(new CosineDecay(0.1, 10)) { Name = "inner", UseEma = true, GradientAccumulationSteps = 2 })
        {
            Name = "scaled",
        };
        foreach (Optimizer optimizer in new Optimizer[] { plain, scaled })
        {
            optimizer.Build(new Variable<float>("dense/kernel", new float[6], [2, 3]), new Variable<Half>("dense/bias", new Half[3]));
            optimizer.Apply([new float[] { 1, 2, 3, 4, 5, 6 }, new float[] { 1, 2, 3 }]);
            yield return optimizer;
        }

        var grouped = new Adamax { Name = "grouped", UseMasterWeights = true };
        grouped.Build(
            new VariableGroup(new Variable<float>("dense/kernel", new float[6], [2, 3])) { LearningRate = new ExponentialDecay(0.5, 7, 0.5) },
            new VariableGroup(new Variable<Half>("dense/bias", new Half[3])) { LearningRate = 0.25, WeightDecay = 0 });
        yield return grouped;
    }

    static byte[] OtherTypes()
    {
        byte[] header = [.. """{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"F4","shape":[3],"data_offsets":[3,5]}}"""u8];
        return [.. BitConverter.GetBytes((long)header.Length), .. header, 1, 2, 3, 4, 5];
    }

    static byte[] AllTypes()
    {
        var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, [new("format", "pt")],
            [.. Enum.GetValues<DType>().Select(dtype => SafetensorsTensor.Of(dtype.ToString(), NdArray.Create([1f, 2, 3, 4], 2, 2).Cast(dtype)))]);
        return stream.ToArray();
    }
}
