using Infinorm.Checkpoints;
using Infinorm.Constraints;
using Infinorm.Optimizers;
using Infinorm.Rules;
using Infinorm.Tests.Checkpoints;
using Infinorm.Tests.Properties;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests;

/// <summary>Slots with one byte an element: the same step as ever between decoding and encoding, whatever stages, types and threads there are.</summary>
public sealed class OptimizerStorageTests
{
    const int Length = (2 * 16 * 1024) + 1000; // three chunks, the last one with a rest

    public static TheoryData<string> Kinds => [.. Makers.Keys];

    /// <summary>Every optimizer that is registered and does not refuse, with its defaults and with its settings changed.</summary>
    public static TheoryData<string> Variants => [.. Registered.Variants.Where(variant => Byte(variant) is not null)];

    static readonly Dictionary<string, Func<SlotStorage, int, RuleOptimizer>> Makers = new()
    {
        ["adamax"] = (storage, threads) => new Adamax(0.01) { SlotStorage = storage, MaxDegreeOfParallelism = threads },
        ["adam"] = (storage, threads) => new Adam(0.01) { SlotStorage = storage, MaxDegreeOfParallelism = threads },
        ["adamw"] = (storage, threads) => new AdamW(0.01) { SlotStorage = storage, MaxDegreeOfParallelism = threads },
        ["sgd"] = (storage, threads) => new Sgd(0.01, momentum: 0.9) { SlotStorage = storage, MaxDegreeOfParallelism = threads },
        ["lion"] = (storage, threads) => new Lion(0.01) { SlotStorage = storage, MaxDegreeOfParallelism = threads },
        ["all stages"] = (storage, threads) => new Adamax(0.01)
        {
            SlotStorage = storage,
            MaxDegreeOfParallelism = threads,
            GlobalClipNorm = 1,
            WeightDecay = 0.01,
            UseEma = true,
            GradientAccumulationSteps = 2,
            LossScaleFactor = 4,
        },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void AStepIsTheFullOneBetweenDecodingAndEncoding(string kind)
    {
        var (full, bytes) = (Makers[kind](SlotStorage.Full, 2), Makers[kind](SlotStorage.Byte, 2));
        Variable<float> weights = Weights(), copy = Weights();
        full.Build(weights);
        bytes.Build(copy);
        for (int step = 0; step < 6; step++)
        {
            float[] gradient = Gradient(step);
            full.Apply(gradient);
            bytes.Apply(gradient);
            Assert.Equal(weights.Span, copy.Span);
            full.TakeStateOf(bytes); // the full step's slots, rounded as those of one byte are
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void EveryOptimizerThatTakesItGoesOnFiniteAndFromItsFile(string variant)
    {
        Variable<float> weights = Weights(), other = Weights();
        RuleOptimizer optimizer = Byte(variant)!;
        optimizer.Build(weights);
        for (int step = 0; step < 5; step++)
            optimizer.Apply(Gradient(step));
        using var file = new MemoryStream();
        optimizer.Save(file);
        file.Position = 0;
        Optimizer loaded = Optimizer.Load(file, [other]);
        optimizer.Apply(Gradient(5));
        loaded.Apply(Gradient(5));
        Assert.All(weights.Span.ToArray(), w => Assert.True(float.IsFinite(w)));
        Assert.Equal(weights.Span, other.Span);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void TheBitsDoNotDependOnThreads(string kind) => Assert.Equal(Run(kind, 1), Run(kind, 2));

    // From one machine; every width of vectors and every other machine must come to it.
    [Theory]
    [InlineData("adamax", 6612161849094915968)]
    [InlineData("adam", 14872526230238246103)]
    public void TheBitsAreTheSameEverywhere(string kind, ulong expected)
    {
        ulong hash = 14695981039346656037;
        foreach (byte value in Run(kind, 1))
            hash = unchecked((hash ^ value) * 1099511628211);
        Assert.Equal(expected, hash);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void ASavedRunGoesOnAsIfItHadNotStopped(string kind)
    {
        RuleOptimizer first = Makers[kind](SlotStorage.Byte, 1);
        Variable<float> weights = Weights(), other = Weights();
        first.Build(weights);
        for (int step = 0; step < 3; step++)
            first.Apply(Gradient(step));
        using var file = new MemoryStream();
        first.Save(file);
        file.Position = 0;
        Optimizer second = Optimizer.Load(file, [other]);
        Assert.Equal(SlotStorage.Byte, ((RuleOptimizer)second).SlotStorage);
        first.Apply(Gradient(3));
        second.Apply(Gradient(3));
        Assert.Equal(weights.Span, other.Span);
        Assert.Equal(StateOf.All(first), StateOf.All(second));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void StatelessApplyIsApply(string kind)
    {
        RuleOptimizer optimizer = Makers[kind](SlotStorage.Byte, 1);
        Variable<float> weights = Weights();
        optimizer.Build(weights);
        optimizer.Apply(Gradient(0));
        var (values, state) = optimizer.StatelessApply(
            [.. optimizer.Variables.Select(v => v.ToNdArray())], [Gradient(1)], [weights.ToNdArray()]);
        optimizer.Apply(Gradient(1));
        Assert.Equal(weights.Span, values[0].AsSpan<float>());
        Assert.Equal(optimizer.Variables.Select(v => v.ToNdArray().Bytes.ToArray()), state.Select(v => v.Bytes.ToArray()));
    }

    [Fact]
    public void StateTakesTwoBytesAndTwoScalesOfABlock()
    {
        var optimizer = new Adamax { SlotStorage = SlotStorage.Byte };
        optimizer.Build(new Variable<float>("large", new float[5000], [50, 100]), new Variable<float>("small", new float[4095]),
            new Variable<double>("double", new double[5000]));
        Assert.Equal(
            [
                "large_momentum_codes uint8[50, 100]", "large_momentum_scales float32[20]", "large_norm_codes uint8[50, 100]",
                "large_norm_scales float32[20]", "small_momentum float32[4095]", "small_norm float32[4095]",
                "double_momentum float64[5000]", "double_norm float64[5000]",
            ],
            optimizer.Variables.Skip(2).Select(v => v.ToString().Split('/')[^1]));
    }

    [Fact]
    public void AStepAllocatesNothing()
    {
        RuleOptimizer optimizer = Makers["all stages"](SlotStorage.Byte, 2);
        optimizer.Build(Weights());
        float[] gradient = Gradient(0);
        for (int i = 0; i < 50; i++)
            optimizer.Apply(gradient);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 50; i++)
            optimizer.Apply(gradient);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void ItWorksWithRowsConstraintsAndSixteenBits()
    {
        var table = new Variable<float>("table", new float[10_000], [1000, 10]) { Constraint = new MaxNorm(0.5) };
        var narrow = new Variable<BFloat16>("narrow", new BFloat16[8000]);
        var optimizer = new Adam(0.05) { SlotStorage = SlotStorage.Byte, UseMasterWeights = true };
        optimizer.Build(table, narrow);
        var target = new BFloat16[8000];
        Array.Fill(target, (BFloat16)0.25f);
        for (int step = 0; step < 200; step++)
        {
            float[] rows = [.. Enumerable.Repeat(1f, 20)];
            float[] gradient = [.. narrow.Span.ToArray().Select((w, i) => (float)w - (float)target[i])];
            optimizer.Apply(Infinorm.Variables.Gradient.Rows([3, 7], rows), gradient);
        }

        Assert.All(narrow.Span.ToArray(), w => Assert.InRange((float)w, 0.2f, 0.3f));
        Assert.InRange(Norm([table.Span[30], table.Span[70]]), 0.45, 0.501); // a column's norm is at most 0.5
        Assert.Equal(0, Norm(table.Span.Slice(40, 10)));
    }

    [Fact]
    public void AMillionUpdatesLaterTheNormStillDecays()
    {
        var optimizer = new Adamax(1e-3) { SlotStorage = SlotStorage.Byte, ByteStorageMinimum = 1, MaxDegreeOfParallelism = 1 };
        var full = new Adamax(1e-3);
        Variable<float> weights = new("w", new float[300]), copy = new("w", new float[300]);
        optimizer.Build(weights);
        full.Build(copy);
        optimizer.SetWeights([NdArray.Create([1_000_000L], ReadOnlySpan<int>.Empty), .. optimizer.Variables.Skip(1).Select(v => v.ToNdArray())]);
        float[] gradient = new float[300];
        for (int step = 0; step < 100_000; step++) // 0.999^100,000 is below the least float
        {
            float size = step % 5000 == 0 ? 10 : 0.01f;
            for (int i = 0; i < gradient.Length; i += 7)
                gradient[i] = size;
            optimizer.Apply(gradient);
        }

        full.TakeStateOf(optimizer); // its norms, decoded
        NdArray norms = full.Variables.Single(v => v.Name.EndsWith("_norm", StringComparison.Ordinal)).ToNdArray();
        Assert.InRange(norms.AsSpan<float>()[0], 0.065f, 0.071f); // 10 · 0.999^4999 = 0.0673
        Assert.Equal(0, norms.AsSpan<float>()[1]);
    }

    [Fact]
    public void TheLossIsThatOfFullSlots()
    {
        double Loss(SlotStorage storage)
        {
            var optimizer = new Adamax(0.02) { SlotStorage = storage };
            const int inputs = 64, outputs = 64, samples = 256;
            var weights = new Variable<float>("w", new float[inputs * outputs], [inputs, outputs]);
            optimizer.Build(weights);
            var random = new Random(5);
            float[] x = [.. Enumerable.Range(0, samples * inputs).Select(_ => (float)random.NextDouble() - 0.5f)];
            float[] truth = [.. Enumerable.Range(0, inputs * outputs).Select(_ => (float)random.NextDouble() - 0.5f)];
            float[] noise = [.. Enumerable.Range(0, samples * outputs).Select(_ => ((float)random.NextDouble() - 0.5f) * 0.5f)];
            double loss = 0;
            for (int epoch = 0; epoch < 150; epoch++)
            {
                float[] gradient = new float[inputs * outputs];
                loss = 0;
                for (int s = 0; s < samples; s++)
                {
                    for (int o = 0; o < outputs; o++)
                    {
                        float error = -noise[(s * outputs) + o];
                        for (int i = 0; i < inputs; i++)
                            error += x[(s * inputs) + i] * (weights.Span[(i * outputs) + o] - truth[(i * outputs) + o]);
                        loss += error * error / samples;
                        for (int i = 0; i < inputs; i++)
                            gradient[(i * outputs) + o] += x[(s * inputs) + i] * error / samples;
                    }
                }

                optimizer.Apply(gradient);
            }

            return loss;
        }

        double full = Loss(SlotStorage.Full);
        Assert.InRange(Loss(SlotStorage.Byte) / full, 0.995, 1.005);
    }

    [Fact]
    public void StateIsConvertedWhenAskedForAndNotOtherwise()
    {
        var full = new Adamax(0.01);
        var bytes = new Adamax(0.01) { SlotStorage = SlotStorage.Byte };
        full.Build(Weights());
        bytes.Build(Weights());
        full.Apply(Gradient(0));
        using var file = new MemoryStream();
        full.Save(file);
        file.Position = 0;
        CheckpointMismatchException refused = Assert.Throws<CheckpointMismatchException>(() => bytes.Restore(file));
        Assert.Contains(refused.Differences, difference => difference.Contains("one_byte_slots", StringComparison.Ordinal));
        Assert.Contains(refused.Differences, difference => difference.Contains("momentum_codes", StringComparison.Ordinal));

        bytes.TakeStateOf(full);
        Assert.Equal(1, bytes.Iterations);
        var back = new Adamax(0.01);
        back.Build(Weights());
        back.TakeStateOf(bytes);
        NdArray exact = Momentum(full), rounded = Momentum(back);
        for (int i = 0; i < Length; i++)
            Assert.Equal(exact.AsSpan<float>()[i], rounded.AsSpan<float>()[i], 0.07 * Math.Abs(exact.AsSpan<float>()[i]) + 2e-5);

        static NdArray Momentum(Optimizer optimizer) =>
            optimizer.Variables.Single(v => v.Name.EndsWith("_momentum", StringComparison.Ordinal)).ToNdArray();
    }

    [Fact]
    public void CodesAreNotCastFromNumbers()
    {
        var optimizer = new Adamax { SlotStorage = SlotStorage.Byte };
        optimizer.Build(Weights());
        NdArray[] values = [.. optimizer.Variables.Select(v => v.ToNdArray().Cast(DType.Float32))];
        Assert.Contains("codes are not numbers", Assert.Throws<ArgumentException>(() => optimizer.SetWeights(values)).Message, StringComparison.Ordinal);
    }

    public static TheoryData<RuleOptimizer> Full =>
    [
        new ScheduleFreeAdamW { SlotStorage = SlotStorage.Byte }, new Ftrl { SlotStorage = SlotStorage.Byte },
        new Lamb { SlotStorage = SlotStorage.Byte }, new Adafactor { SlotStorage = SlotStorage.Byte },
        new Muon { SlotStorage = SlotStorage.Byte }, new RMSprop(centered: true) { SlotStorage = SlotStorage.Byte },
    ];

    [Theory]
    [MemberData(nameof(Full))]
    public void WhatMustNotBeRoundedIsRefusedWhenItIsBuilt(RuleOptimizer optimizer)
    {
        string message = Assert.Throws<InvalidOperationException>(() => optimizer.Build(Weights())).Message;
        Assert.EndsWith("cannot have one byte an element. Leave SlotStorage at Full.", message, StringComparison.Ordinal);
        Assert.False(optimizer.IsBuilt);
    }

    [Fact]
    public void RulesOverSpansAreRefusedBeforeAnythingChanges()
    {
        var optimizer = new Spans { SlotStorage = SlotStorage.Byte };
        Variable<float> weights = Weights();
        optimizer.Build(weights);
        Assert.Contains("needs full slots", Assert.Throws<InvalidOperationException>(() => optimizer.Apply(Gradient(0))).Message, StringComparison.Ordinal);
        Assert.Equal(Weights().Span, weights.Span);
    }

    sealed class Spans() : RuleOptimizer(0.1), IBlockRule
    {
        protected override void DefineSlots(Slots slots) => slots.Add("momentum");

        protected override void UpdateStep<L>(RuleContext<L> context) => context.Run(this);

        public void Step<T>(Block<T> block)
            where T : unmanaged, System.Numerics.IBinaryFloatingPointIeee754<T> => throw new NotSupportedException();
    }

    // Null where it must have full slots.
    static RuleOptimizer? Byte(string variant)
    {
        System.Text.Json.Nodes.JsonObject config = Registered.Config(variant);
        config["config"]!["one_byte_slots"] = true;
        var optimizer = (RuleOptimizer)Optimizer.FromConfig(config);
        try
        {
            optimizer.Build(Weights());
        }
        catch (InvalidOperationException)
        {
            return null;
        }

        return (RuleOptimizer)Optimizer.FromConfig(config);
    }

    static byte[] Run(string kind, int threads)
    {
        RuleOptimizer optimizer = Makers[kind](SlotStorage.Byte, threads);
        Variable<float> weights = Weights();
        optimizer.Build(weights);
        for (int step = 0; step < 8; step++)
            optimizer.Apply(Gradient(step));
        return [.. weights.ToNdArray().Bytes, .. optimizer.Variables.SelectMany(v => v.ToNdArray().Bytes.ToArray())];
    }

    static Variable<float> Weights() => new("w", Enumerable.Range(0, Length).Select(i => (i % 97) * 0.01f).ToArray());

    static float[] Gradient(int step)
    {
        var random = new Random(step);
        return [.. Enumerable.Range(0, Length).Select(i => ((float)random.NextDouble() - 0.5f) * (1 + (i % 13)))];
    }

    static double Norm(ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (float value in values)
            sum += value * value;
        return Math.Sqrt(sum);
    }
}
