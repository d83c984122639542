using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Benchmarks;

/// <summary>What the cases share: memory, threads, and the optimizers and ceilings that several cases use.</summary>
sealed class Workbench
{
    public const int K = 1024, M = 1024 * K;

    public static readonly int AllThreads = Environment.ProcessorCount;

    readonly Streams _streams = new(25 * M);
    readonly SpinTeam _team = new(AllThreads);
    readonly Dictionary<(int Length, int Threads), Contender> _bareSteps = [];
    readonly Dictionary<(int Length, int Threads, int Slots), Contender> _ceilings = [];

    public Streams Streams(int length) => _streams.Take(length);

    /// <summary>A step of an optimizer over one variable of the shared weights.</summary>
    public Contender Step(RuleOptimizer optimizer, int length) => Step(optimizer, length, _streams.Gradients);

    Contender Step(RuleOptimizer optimizer, int length, Memory<float> gradients)
    {
        optimizer.Build(new Variable<float>("weights", _streams.Weights[..length]));
        Gradient[] gradient = [gradients[..length]];
        var step = new Contender(() => optimizer.Apply(gradient));
        if (optimizer.GradientAccumulationSteps is not 2)
            return step;
        // The updating call is timed: the dearest one. The call that only accumulates comes before it.
        return new Contender(step.Step) { Before = step.Step, Single = true };
    }

    /// <summary>The step with no feature on.</summary>
    public Contender BareStep(int length, int threads) => Cached(_bareSteps, (length, threads), () => Step(Bare(threads), length));

    public static Adamax Bare(int threads) => new() { MaxDegreeOfParallelism = threads };

    /// <summary>The step with all features as separate passes.</summary>
    public Contender SeparateStep(int length) =>
        new(new SeparatePasses(Streams(length), _team, gradients => Step(Bare(AllThreads), length, gradients).Step).Step);

    /// <summary>The fastest of the ceiling's variants for a step with so many slots; one thread's where more do not pay.</summary>
    public Contender Ceiling(int length, int threads, int slots, Budget budget) => Cached(_ceilings, (length, threads, slots), () =>
    {
        Contender[] variants = threads == 1
            ? Benchmarks.Ceiling.Variants(Streams(length), slots, null)
            : [.. Benchmarks.Ceiling.Variants(Streams(length), slots, _team), Ceiling(length, 1, slots, budget.Part(0.4))];
        Rounds rounds = Rounds.Measure(variants, budget.Part(threads == 1 ? 1 : 0.6), Settle(threads));
        // Not by the median: a neighbour that disturbs some rounds would else choose, for all cases of that length.
        return variants[Enumerable.Range(0, variants.Length).MinBy(variant => rounds.Quantile(times => times[variant], 0.25))];
    });

    /// <summary>A copy of memory on all threads.</summary>
    public Contender Copy(int length) => Bandwidth.Copy(Streams(length), _team);

    /// <summary>A triad on all threads.</summary>
    public Contender Triad(int length) => Bandwidth.Triad(Streams(length), _team);

    /// <summary>How long spinning helper threads need to park after a step on so many threads.</summary>
    public static TimeSpan Settle(int threads) => threads == 1 ? TimeSpan.Zero : TimeSpan.FromMilliseconds(1);

    static Contender Cached<TKey>(Dictionary<TKey, Contender> cache, TKey key, Func<Contender> make)
        where TKey : notnull
    {
        if (!cache.TryGetValue(key, out Contender? contender))
            cache[key] = contender = make();
        return contender;
    }
}
