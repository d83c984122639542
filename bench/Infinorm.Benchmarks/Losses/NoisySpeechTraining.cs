using System.Numerics.Tensors;
using Infinorm.Samples.NoisySpeech;
using Infinorm.Samples.Speech;
using Infinorm.Variables;

namespace Infinorm.Benchmarks.Losses;

/// <summary>The network of the sample NoisySpeech, with dropout.</summary>
sealed class NoisySpeechTraining(string? data) : ITraining
{
    const int BatchSize = 32, Hidden = 256;
    const float Dropout = 0.2f;

    public string Name => "NoisySpeech";

    public double FinalLoss(RuleOptimizer optimizer, int steps, int seed, bool nudged)
    {
        var heard = HeardDigits.Of(data, seed);
        var random = new Random(seed + 1000);
        var network = new Network(FeatureExtractor.Features, Hidden, outputs: 10, random);
        if (nudged)
            TensorPrimitives.Multiply(network.W1, 1.001f, network.W1);
        optimizer.Build(network.Variables());
        Gradient[] gradients = network.Gradients();
        var features = new float[BatchSize * FeatureExtractor.Features];
        var digits = new int[BatchSize];
        for (int step = 0; step < steps; step++)
        {
            heard.Draw(random, features, digits);
            network.Backward(features, digits, Dropout, random);
            optimizer.Apply(gradients);
        }

        using (optimizer.UseAverages())
        {
            return network.Backward(
                heard.Features.AsSpan(0, HeardDigits.Tested * FeatureExtractor.Features), heard.Digits.AsSpan(0, HeardDigits.Tested), dropout: 0, random).Loss;
        }
    }
}
