using Infinorm;
using Infinorm.AotCheck;
using Infinorm.Constraints;
using Infinorm.Optimizers;
using Infinorm.Schedules;
using Infinorm.Types;
using Infinorm.Variables;

if (args is ["ranks"])
{
    Ranks.Train();
    return;
}

// Trains with many settings and prints the bits of what came out: compiled ahead of time and just in time, they must be the same.
foreach (Optimizer optimizer in Optimizers())
{
    float[] table = Values(40, 1);
    double[] doubles = Values(1000, 2).Select(v => (double)v).ToArray();
    Half[] halves = Values(77, 3).Select(v => (Half)v).ToArray();
    BFloat16[] brains = Values(33, 4).Select(v => (BFloat16)v).ToArray();
    float[] large = Values(100_000, 5);
    optimizer.Build(
        new Variable<float>("table", table, [10, 4]) { Constraint = new MaxNorm(axis: 1) },
        new Variable<double>("doubles", doubles),
        new Variable<Half>("halves", halves),
        new Variable<BFloat16>("brains", brains),
        new Variable<float>("large", large));

    for (int step = 0; step < 6; step++)
    {
        optimizer.Apply(
            Gradient.Rows([3, 1, 3], Values(12, 10 + step)),
            Values(1000, 20 + step).Select(v => (double)v).ToArray(),
            Values(77, 30 + step),
            Values(33, 40 + step).Select(v => (BFloat16)v).ToArray(),
            Values(100_000, 50 + step));
    }

    string json = optimizer.ToJson();
    if (Optimizer.Get(json).ToJson() != json)
        throw new InvalidOperationException("The config does not survive reading.");
    string path = Path.GetTempFileName();
    optimizer.Save(path);
    if (!Optimizer.Load(path, optimizer.TrainableVariables).Variables.Zip(optimizer.Variables).All(pair => Same(pair.First, pair.Second)))
        throw new InvalidOperationException("The state does not survive a checkpoint.");
    optimizer.Restore(path);
    File.Delete(path);

    Print(json, optimizer.TrainableVariables.Concat(optimizer.Variables));
}

foreach (var (name, variables) in KerasFiles.Resumed())
    Print(name, variables);

static IEnumerable<Optimizer> Optimizers()
{
    yield return new Adamax { Name = "plain" };
    yield return new Adamax(new CosineDecay(0.01, 10, warmupTarget: 0.1, warmupSteps: 3))
    {
        Name = "all",
        WeightDecay = 0.01,
        GlobalClipNorm = 1,
        UseEma = true,
        EmaOverwriteFrequency = 2,
        GradientAccumulationSteps = 2,
    };
    yield return new Adamax { Name = "masters", UseMasterWeights = true, WeightDecay = 0.01 };
    yield return new Adamax { Name = "random", UseStochasticRounding = true, RoundingSeed = 5, UseEma = true, EmaOverwriteFrequency = 2 };
    yield return new LossScaleOptimizer(new Adamax { Name = "inner", ClipNorm = 0.5 }, dynamicGrowthSteps: 2) { Name = "scaled" };
}

static void Print(string title, IEnumerable<Variable> variables)
{
    Console.WriteLine(title);
    foreach (Variable variable in variables)
        Console.WriteLine($"{variable} {Hash(variable.ToNdArray().Bytes):x16}");
}

static bool Same(Variable a, Variable b) => a.ToNdArray().Bytes.SequenceEqual(b.ToNdArray().Bytes);

static float[] Values(int count, int seed)
{
    var values = new float[count];
    uint state = (uint)seed;
    for (int i = 0; i < count; i++)
    {
        state = (state * 1664525) + 1013904223;
        values[i] = ((int)(state >> 8) - (1 << 23)) / (float)(1 << 22);
    }

    return values;
}

static ulong Hash(ReadOnlySpan<byte> bytes)
{
    ulong hash = 14695981039346656037;
    foreach (byte value in bytes)
        hash = (hash ^ value) * 1099511628211;
    return hash;
}
