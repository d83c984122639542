using Infinorm.Samples.NoisySpeech;

namespace Infinorm.Samples.Tests;

public class NetworkTests
{
    [Fact]
    public void ItsGradientsAreTheSlopesOfItsLoss()
    {
        var random = new Random(1);
        var network = new Network(inputs: 7, hidden: 5, outputs: 3, random);
        float[] features = [.. Enumerable.Range(0, 4 * 7).Select(_ => random.NextSingle() - 0.5f)];
        int[] digits = [0, 1, 2, 1];

        (float[] Weights, float[] Gradient)[] layers =
        [
            (network.W1, network.W1Gradient), (network.B1, network.B1Gradient),
            (network.W2, network.W2Gradient), (network.B2, network.B2Gradient),
        ];
        network.Backward(features, digits, dropout: 0, random);
        float[][] found = [.. layers.Select(layer => (float[])layer.Gradient.Clone())];

        const float Shift = 1e-3f;
        for (int layer = 0; layer < layers.Length; layer++)
        {
            float[] weights = layers[layer].Weights;
            for (int i = 0; i < weights.Length; i++)
            {
                float weight = weights[i];
                weights[i] = weight + Shift;
                float above = network.Backward(features, digits, 0, random).Loss;
                weights[i] = weight - Shift;
                float below = network.Backward(features, digits, 0, random).Loss;
                weights[i] = weight;
                Assert.Equal((above - below) / (2 * Shift), found[layer][i], 2e-3f);
            }
        }
    }

    [Fact]
    public void DropoutSwitchesUnitsOff()
    {
        var random = new Random(1);
        var network = new Network(inputs: 3, hidden: 4, outputs: 2, random);
        network.Backward([1, 2, 3], [0], dropout: 1 - 1e-6f, random);
        Assert.All(network.W1Gradient, gradient => Assert.Equal(0, gradient));
    }
}
