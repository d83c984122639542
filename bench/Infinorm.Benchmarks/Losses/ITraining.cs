namespace Infinorm.Benchmarks.Losses;

/// <summary>A training whose final loss is compared.</summary>
interface ITraining
{
    string Name { get; }

    /// <summary>Trains a new model and returns the loss of its averaged weights over the training data.</summary>
    /// <param name="optimizer">A new optimizer that keeps averages.</param>
    /// <param name="steps">How many steps.</param>
    /// <param name="seed">Of everything random: data, first weights, batches.</param>
    /// <param name="nudged">Whether the first layer begins larger by a thousandth: what comes of that is chance.</param>
    double FinalLoss(RuleOptimizer optimizer, int steps, int seed, bool nudged);
}
