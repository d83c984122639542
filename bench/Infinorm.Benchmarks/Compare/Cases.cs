using Infinorm.Optimizers;
using Infinorm.Rules;
using Infinorm.Variables;
using static Infinorm.Benchmarks.Workbench;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Infinorm.Benchmarks;

/// <summary>Everything that <c>compare</c> can measure. A case prepares what it needs when it is measured.</summary>
sealed class Cases(Workbench bench)
{
    // How long OpenMP's threads, which TorchSharp uses, keep spinning after their work.
    static readonly TimeSpan TorchSettle = TimeSpan.FromMilliseconds(10);

    static readonly (string Label, int Length)[] Lengths = [("1k", K), ("64k", 64 * K), ("1M", M), ("25M", 25 * M)];

    const int AdamaxSlots = 2;

    static readonly int[] ThreadCounts = [.. new[] { 1, AllThreads }.Distinct()];

    public IEnumerable<Case> All() =>
    [
        .. BandwidthCases(), .. CeilingCases(), .. FamilyCeilingCases(), .. ByteCases(), .. TorchCases(), .. PeerCases(), .. FeatureCases(),
        .. ThreadCases(), Tiny(), Slices(), Allocation(), .. TorchDropInCases.All(), .. KerasModelCases.All(), .. ScaleCases.All(),
    ];

    // GB/s, the line that is written not counted as read before.
    IEnumerable<Case> BandwidthCases() =>
        from loop in ((string Name, int Bytes, Func<int, Contender> Make)[])[("copy", 8, bench.Copy), ("triad", 12, bench.Triad)]
        select new Case($"bandwidth/{loop.Name}/25M/{AllThreads}T", budget =>
        {
            const int Length = 25 * M;
            double seconds = Rounds.Measure([loop.Make(Length)], budget.Part(0.5), TimeSpan.Zero).Seconds(0);
            return new Measurement((double)loop.Bytes * Length / seconds / 1e9, Against: seconds);
        });

    IEnumerable<Case> CeilingCases() =>
        from length in Lengths
        from threads in ThreadCounts
        select new Case($"ceiling/{length.Label}/{threads}T", budget =>
        {
            Contender ceiling = bench.Ceiling(length.Length, threads, AdamaxSlots, budget.Part(0.3));
            Contender ours = bench.BareStep(length.Length, threads);
            return Measurement.OverCeiling(Rounds.Measure([ours, ceiling], budget.Part(0.7), Settle(threads)), OtherOverOurs) with
            {
                Traffic = BareTraffic(length.Length),
            };
        });

    IEnumerable<Case> FamilyCeilingCases() =>
        from member in FamilyMember.All
        select new Case(member.CeilingCase, budget =>
        {
            RuleOptimizer optimizer = member.Make();
            Contender ours = bench.Step(optimizer, 25 * M);
            Contender ceiling = bench.Ceiling(25 * M, AllThreads, Traffic.SlotsOf(optimizer), budget.Part(0.2));
            return Measurement.OverCeiling(Rounds.Measure([ours, ceiling], budget.Part(0.8), Settle(AllThreads)), OtherOverOurs) with
            {
                Traffic = Traffic.Of(optimizer),
            };
        });

    IEnumerable<Case> ByteCases()
    {
        yield return Bytes("adamax", storage => new Adamax { SlotStorage = storage });
        yield return Bytes("adamw", storage => new AdamW { SlotStorage = storage });

        // Two slots of a byte and a scale for each 256 elements, read and written, and the weights and gradients.
        Case Bytes(string name, Func<SlotStorage, RuleOptimizer> make) => new($"bytes/{name}/25M/{AllThreads}T", budget => Measurement.Of(
            Rounds.Measure([bench.Step(make(SlotStorage.Byte), 25 * M), bench.Step(make(SlotStorage.Full), 25 * M)], budget, Settle(AllThreads)),
            OursOverOther) with
        {
            Traffic = new Traffic(16, 25 * M, 2 * (1 + 4 / 256.0)),
        });
    }

    static IEnumerable<Case> TorchCases()
    {
        yield return Torch("64k", [64 * K]);
        yield return Torch("1M", [M]);
        yield return Torch("25M", [25 * M]);
        yield return Torch("mixed25M", TorchDropInCases.MixedLengths());
        yield return Torch("5000x256", Enumerable.Repeat(256, 5000));
        foreach (FamilyMember member in FamilyMember.All)
        {
            if (member.TorchSharps is { } make)
                yield return AgainstTorch(member.TorchCase, TorchDropInCases.MixedLengths(), member.Make, make);
        }

        static Case Torch(string label, IEnumerable<int> lengths) =>
            AgainstTorch($"torchsharp/{label}/{AllThreads}T", lengths, () => Bare(AllThreads), TorchDropInCases.Adamax);
    }

    static Case AgainstTorch(
        string name, IEnumerable<int> lengths, Func<RuleOptimizer> ours, Func<IEnumerable<Parameter>, optim.Optimizer> theirs) => new(name, budget =>
    {
        using var parameters = new TorchParameters(lengths, AllThreads, theirs);
        RuleOptimizer optimizer = ours();
        optimizer.Build(parameters.Variables());
        Gradient[] gradients = parameters.Gradients();
        Rounds rounds = Rounds.Measure([new(() => optimizer.Apply(gradients)), new(parameters.Step)], budget, TorchSettle);
        return Measurement.Of(rounds, OtherOverOurs) with { Traffic = Traffic.Of(optimizer) };
    });

    IEnumerable<Case> PeerCases()
    {
        foreach ((string label, int length) in Lengths[1..])
        {
            yield return Peer($"tensorprimitives/{label}/1T", streams => new TensorPrimitivesCalls(streams.Length).Step);
            yield return Peer($"plain/{label}/1T", _ => PlainLoop.Step);

            Case Peer(string name, Func<Streams, HandWrittenStep> make) => new(name, budget =>
            {
                Streams streams = bench.Streams(length);
                HandWrittenStep step = make(streams);
                var theirs = new Contender(() => step(
                    streams.Gradients.Span, streams.Weights.Span, streams.Momentum.Span, streams.Norm.Span, StepFactors.Typical));
                return Measurement.Of(Rounds.Measure([bench.BareStep(length, 1), theirs], budget, Settle(1)), OtherOverOurs) with
                {
                    Traffic = BareTraffic(length),
                };
            });
        }
    }

    IEnumerable<Case> FeatureCases()
    {
        const int Length = 25 * M;
        yield return Feature("clip", 32, 0, () => new() { GlobalClipNorm = 1 });
        yield return Feature("decay", 28, 0, () => new() { WeightDecay = 0.004 });
        yield return Feature("ema", 36, 1, () => new() { UseEma = true });
        yield return Feature("accumulation", 32, 1, () => new() { GradientAccumulationSteps = 2 });
        yield return Feature("decay+clip+ema", 40, 1, () => new() { WeightDecay = 0.004, GlobalClipNorm = 1, UseEma = true });
        yield return Feature("all", 48, 2, AllFeatures);
        yield return OverBare("all-separate", null, () => bench.SeparateStep(Length));

        // kept: the average, the accumulator.
        Case Feature(string name, int bytes, int kept, Func<Adamax> optimizer) =>
            OverBare(name, new Traffic(bytes, Length, 4 * (AdamaxSlots + kept)), () => bench.Step(optimizer(), Length));

        Case OverBare(string name, Traffic? traffic, Func<Contender> step) => new($"feature/{name}", budget => Measurement.Of(
            Rounds.Measure([step(), bench.BareStep(Length, AllThreads)], budget, Settle(AllThreads)), OursOverOther) with
        {
            Traffic = traffic,
        });
    }

    static Adamax AllFeatures() => new() { WeightDecay = 0.004, GlobalClipNorm = 1, UseEma = true, GradientAccumulationSteps = 2 };

    IEnumerable<Case> ThreadCases()
    {
        if (AllThreads == 1)
            yield break;
        foreach ((string label, int length) in Lengths[2..])
        {
            // Our speed-up over the ceiling's own.
            yield return new($"scaling/{label}", budget => Measurement.Of(
                Rounds.Measure(
                    [
                        bench.BareStep(length, AllThreads), bench.BareStep(length, 1),
                        bench.Ceiling(length, AllThreads, AdamaxSlots, budget.Part(0.2)), bench.Ceiling(length, 1, AdamaxSlots, budget.Part(0.2)),
                    ],
                    budget.Part(0.6), Settle(AllThreads)),
                times => times[1] / times[0] / (times[3] / times[2])));
        }
        yield return new("threads-allowed/16k", budget => Measurement.Of(AllAgainstOne(16 * K, budget), OursOverOther));
        yield return new("handoff/break-even", BreakEven);
    }

    /// <summary>The fewest elements, among powers of two, from which on all threads are at least 5 % faster than one.</summary>
    Measurement BreakEven(Budget budget)
    {
        int[] lengths = [.. Enumerable.Range(12, 8).Select(power => 1 << power)];
        var breakEven = new Measurement(double.PositiveInfinity);
        foreach (int length in lengths.Reverse())
        {
            Measurement measurement = Measurement.Of(AllAgainstOne(length, budget.Part(1.0 / lengths.Length)), OtherOverOurs);
            if (measurement.Value < 1.05)
                break;
            breakEven = measurement with { Value = length, Spread = null };
        }
        return breakEven;
    }

    Rounds AllAgainstOne(int length, Budget budget) =>
        Rounds.Measure([bench.BareStep(length, AllThreads), bench.BareStep(length, 1)], budget, Settle(AllThreads));

    Case Tiny() => new("tiny/5000x256", budget =>
    {
        // Plain arrays on both sides: the large streams that the other cases share lie in huge pages.
        const int Count = 5000, Length = 256;
        return Measurement.Of(Rounds.Measure([Step(Count, Length), Step(1, Count * Length)], budget, Settle(AllThreads)), OursOverOther);

        Contender Step(int count, int length)
        {
            Adamax optimizer = Bare(AllThreads);
            optimizer.Build(Enumerable.Range(0, count).Select(i => new Variable<float>($"tiny{i}", bench.Streams(length).Weights.ToArray())));
            Gradient[] gradients = [.. Enumerable.Range(0, count).Select(_ => (Gradient)bench.Streams(length).Gradients.ToArray())];
            return new(() => optimizer.Apply(gradients));
        }
    });

    /// <summary>Variables and gradients that are slices of one array: gradients in another buffer at each call, against always the same.</summary>
    static Case Slices() => new("checks/30000-slices", budget =>
    {
        const int Count = 30_000, Length = 16;
        return Measurement.Of(Rounds.Measure([Step(buffers: 2), Step(buffers: 1)], budget, Settle(AllThreads)), OursOverOther);

        static Contender Step(int buffers)
        {
            float[] weights = new float[Count * Length];
            Adamax optimizer = Bare(AllThreads);
            optimizer.Build([.. Enumerable.Range(0, Count).Select(i => new Variable<float>($"slice{i}", weights.AsMemory(i * Length, Length)))]);
            Gradient[][] gradients =
            [
                .. Enumerable.Range(0, buffers).Select(_ => new float[Count * Length]).Select(
                    buffer => Enumerable.Range(0, Count).Select(i => (Gradient)buffer.AsMemory(i * Length, Length)).ToArray()),
            ];
            int call = 0;
            return new(() => optimizer.Apply(gradients[call++ % buffers]));
        }
    });

    /// <summary>The bytes that a step allocates, on all threads together: the most over the settings.</summary>
    Case Allocation() => new("alloc/step", _ =>
    {
        const int Steps = 100, Length = 256 * K;
        double most = 0;
        foreach (Adamax optimizer in (ReadOnlySpan<Adamax>)[Bare(1), Bare(AllThreads), AllFeatures(), new() { ClipNorm = 1, EmaOverwriteFrequency = 2 }])
        {
            Contender step = bench.Step(optimizer, Length);
            // The first calls of every kind, accumulating and updating, make what the later ones use; what the runtime allocates for
            // its own tables meanwhile, it allocates once.
            most = Math.Max(most, Enumerable.Range(0, 4).Select(_ => AllocatedBy(step)).Skip(1).Min());
        }
        return new(most);

        static double AllocatedBy(Contender step)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            for (int i = 0; i < Steps; i++)
                step.Step();
            return (double)(GC.GetTotalAllocatedBytes(precise: true) - before) / Steps;
        }
    });

    // Of a step of Adamax with nothing on.
    static Traffic BareTraffic(int length) => new(12 + 8 * AdamaxSlots, length, 4 * AdamaxSlots);

    static double OtherOverOurs(double[] times) => times[1] / times[0];

    static double OursOverOther(double[] times) => times[0] / times[1];
}
