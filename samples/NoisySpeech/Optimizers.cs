using Infinorm.Optimizers;
using Infinorm.Schedules;

namespace Infinorm.Samples.NoisySpeech;

/// <summary>The optimizers of the sample, each with the same schedule, clipping and averages.</summary>
static class Optimizers
{
    /// <summary>The rates that <c>--compare</c> tries for <see cref="Sgd"/>.</summary>
    public static readonly double[] SgdRates = [0.005, 0.02, 0.05];

    public static RuleOptimizer Adamax(int steps) => new Adamax(Schedule(2e-3, steps))
    {
        GlobalClipNorm = 1,
        UseEma = true,
        EmaMomentum = AverageMomentum(steps),
    };

    public static RuleOptimizer Sgd(double rate, int steps) => new Sgd(Schedule(rate, steps))
    {
        GlobalClipNorm = 1,
        UseEma = true,
        EmaMomentum = AverageMomentum(steps),
    };

    // Up in the first twentieth of the steps, then down along a cosine to a fifth.
    static CosineDecay Schedule(double rate, int steps)
    {
        int warmup = Math.Max(1, steps / 20);
        return new CosineDecay(0, Math.Max(1, steps - warmup), alpha: 0.2, warmupTarget: rate, warmupSteps: warmup);
    }

    // The averages reach back over about a tenth of the training.
    static double AverageMomentum(int steps) => 1 - 1 / Math.Max(2.0, steps / 10.0);
}
