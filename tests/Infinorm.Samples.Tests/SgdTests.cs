using Infinorm.Samples.NoisySpeech;
using Infinorm.Variables;

namespace Infinorm.Samples.Tests;

public class SgdTests
{
    [Fact]
    public void EqualsAPlainLoop()
    {
        const int Count = 101;
        var random = new Random(1);
        float[] weights = [.. Enumerable.Range(0, Count).Select(_ => random.NextSingle())], expected = [.. weights];
        float[] velocity = new float[Count], gradient = new float[Count];
        var optimizer = new Sgd(0.1, momentum: 0.8);
        optimizer.Build(new Variable<float>("w", weights));
        for (int step = 0; step < 5; step++)
        {
            for (int i = 0; i < Count; i++)
            {
                gradient[i] = random.NextSingle() - 0.5f;
                velocity[i] = (0.8f * velocity[i]) - (0.1f * gradient[i]);
                expected[i] += velocity[i];
            }

            optimizer.Apply(gradient);
            Assert.Equal(expected, weights);
        }
    }

    [Fact]
    public void ItsConfigIsReadAgainOnceItIsRegistered()
    {
        Optimizer.Register(nameof(Sgd), () => new Sgd(0.01));
        string json = new Sgd(0.5, momentum: 0.25) { Name = "sgd", ClipValue = 2 }.ToJson();
        Assert.Contains("\"momentum\": 0.25", json);
        Assert.Equal(json, Optimizer.Get(json).ToJson());
    }
}
