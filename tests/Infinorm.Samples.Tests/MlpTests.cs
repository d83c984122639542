using Infinorm.Samples.KerasResume;
using Infinorm.Variables;

namespace Infinorm.Samples.Tests;

public class MlpTests
{
    [Fact]
    public void ItsGradientsAreTheSlopesOfItsLoss()
    {
        var random = new Random(1);
        Variable<float>[] weights =
        [
            new("k1", Values(3 * 4), [3, 4]), new("b1", Values(4), [4]), new("k2", Values(4 * 2), [4, 2]), new("b2", Values(2), [2]),
        ];
        var model = new Mlp(weights[0], weights[1], weights[2], weights[3]);
        float[][] inputs = [Values(3), Values(3), Values(3)], targets = [Values(2), Values(2), Values(2)];
        model.Backward(inputs, targets);
        float[][] found = [.. model.Gradients.Select(gradient => (float[])gradient.Clone())];

        const float Shift = 1e-3f;
        for (int layer = 0; layer < weights.Length; layer++)
        {
            for (int i = 0; i < weights[layer].Length; i++)
            {
                ref float weight = ref weights[layer].Span[i];
                float old = weight;
                weight = old + Shift;
                double above = model.Backward(inputs, targets);
                weight = old - Shift;
                double below = model.Backward(inputs, targets);
                weight = old;
                Assert.Equal((above - below) / (2 * Shift), found[layer][i], 1e-3);
            }
        }

        float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }
}
