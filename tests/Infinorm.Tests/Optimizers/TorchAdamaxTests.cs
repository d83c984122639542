using Infinorm.Optimizers;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Optimizers;

public class TorchAdamaxTests
{
    [Fact]
    public void HasTheDefaultsOfPyTorch()
    {
        var adamax = new TorchAdamax();
        Assert.Equal((double)0.002f, adamax.CurrentLearningRate);
        Assert.Equal((0.9, 0.999, 1e-8, 0), (adamax.Beta1, adamax.Beta2, adamax.Epsilon, adamax.CoupledWeightDecay));
    }

    [Fact]
    public void ComputesPyTorchsFormula()
    {
        double[] weights = [1, -2, 3], gradient = [0.5, 0, -4];
        double[] w = [.. weights], m = new double[3], u = new double[3];
        var adamax = new TorchAdamax(0.25, 0.75, 0.5, 0.125, coupledWeightDecay: 0.0625) { FloatX = DType.Float64 };
        adamax.Build(new Variable<double>("w", weights));
        for (int t = 1; t <= 5; t++)
        {
            adamax.Apply(gradient);
            for (int i = 0; i < 3; i++)
            {
                double g = gradient[i] + 0.0625 * w[i];
                m[i] = 0.75 * m[i] + 0.25 * g;
                u[i] = Math.Max(0.5 * u[i], Math.Abs(g) + 0.125);
                w[i] -= 0.25 / (1 - Math.Pow(0.75, t)) * m[i] / u[i];
            }
        }

        Assert.Equal(w, weights);
    }

    // What docs/torchsharp.md says of state that is carried over: Keras's norm of 0 is no division by zero in PyTorch's formula.
    [Fact]
    public void TakesTheStateOfKerassFormula()
    {
        float[] weights = [1, 1, 1], gradient = [0.5f, 0, -4];
        var keras = new Adamax();
        keras.Build(new Variable<float>("w", weights));
        keras.Apply(gradient);
        var torch = new TorchAdamax();
        torch.Build(new Variable<float>("w", weights));
        var store = new VariableStore();
        keras.SaveOwnVariables(store);
        torch.LoadOwnVariables(store);
        torch.Apply(gradient);
        Assert.All(weights, weight => Assert.True(float.IsFinite(weight)));
        Assert.Equal(1, weights[1]);
    }

    [Fact]
    public void ItsConfigCanBeReadAgain()
    {
        string text = new TorchAdamax(0.5, 0.75, 0.5, 0.25, 0.125) { Name = "mine", ClipNorm = 1 }.ToJson();
        Assert.Contains("\"class_name\": \"TorchAdamax\"", text);
        Assert.Contains("\"coupled_weight_decay\": 0.125", text);
        Assert.Contains("\"registered_name\": \"TorchAdamax\"", text);
        Assert.Equal(text, Assert.IsType<TorchAdamax>(Optimizer.Get(text)).ToJson());
        Assert.IsType<TorchAdamax>(Optimizer.Get("torchadamax"));
    }

    [Fact]
    public void RefusesNumbersOutsideTheirRanges()
    {
        Refusal.Is<ArgumentOutOfRangeException>("beta1 must be in [0, 1].", () => new TorchAdamax(beta1: 1.5));
        Refusal.Is<ArgumentOutOfRangeException>("beta2 must be in [0, 1].", () => new TorchAdamax { Beta2 = double.NaN });
        Assert.Throws<ArgumentOutOfRangeException>(() => new TorchAdamax(epsilon: -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new TorchAdamax(coupledWeightDecay: double.NaN));
    }
}
