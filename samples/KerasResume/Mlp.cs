using Infinorm.Variables;

namespace Infinorm.Samples.KerasResume;

/// <summary>
/// Keras's model of the file, on the archive's own weights: <c>out(relu(hidden(x)))</c> with two dense layers, and the gradients of its
/// mean squared error.
/// </summary>
/// <param name="kernel1">Kernel of the hidden layer, [inputs, units].</param>
/// <param name="bias1">Bias of the hidden layer, [units].</param>
/// <param name="kernel2">Kernel of the output layer, [units, outputs].</param>
/// <param name="bias2">Bias of the output layer, [outputs].</param>
sealed class Mlp(Variable<float> kernel1, Variable<float> bias1, Variable<float> kernel2, Variable<float> bias2)
{
    readonly int _inputs = (int)kernel1.Shape[0], _units = bias1.Length, _outputs = bias2.Length;
    readonly float[] _dKernel1 = new float[kernel1.Length], _dBias1 = new float[bias1.Length];
    readonly float[] _dKernel2 = new float[kernel2.Length], _dBias2 = new float[bias2.Length];

    /// <summary>How many numbers the model takes.</summary>
    public int Inputs => _inputs;

    /// <summary>How many numbers it gives.</summary>
    public int Outputs => _outputs;

    /// <summary>The gradients of the last call of <see cref="Backward"/>, in the order of the model's variables.</summary>
    public float[][] Gradients => [_dKernel1, _dBias1, _dKernel2, _dBias2];

    /// <summary>The mean squared error of a batch; its gradients go to <see cref="Gradients"/>.</summary>
    public double Backward(float[][] inputs, float[][] targets)
    {
        foreach (float[] gradient in Gradients)
            Array.Clear(gradient);

        double loss = 0;
        int count = inputs.Length * _outputs;
        var hidden = new float[_units];
        var dHidden = new float[_units];
        foreach (var (x, target) in inputs.Zip(targets))
        {
            Layer(x, kernel1.Span, bias1.Span, hidden);
            for (int u = 0; u < _units; u++)
                hidden[u] = Math.Max(hidden[u], 0);
            var y = new float[_outputs];
            Layer(hidden, kernel2.Span, bias2.Span, y);

            Array.Clear(dHidden);
            for (int o = 0; o < _outputs; o++)
            {
                float error = y[o] - target[o];
                loss += error * error / count;
                float dy = 2 * error / count;
                _dBias2[o] += dy;
                for (int u = 0; u < _units; u++)
                {
                    _dKernel2[(u * _outputs) + o] += hidden[u] * dy;
                    dHidden[u] += kernel2.Span[(u * _outputs) + o] * dy;
                }
            }

            for (int u = 0; u < _units; u++)
            {
                if (hidden[u] == 0)
                    continue; // relu lets no gradient through
                _dBias1[u] += dHidden[u];
                for (int i = 0; i < _inputs; i++)
                    _dKernel1[(i * _units) + u] += x[i] * dHidden[u];
            }
        }

        return loss;
    }

    static void Layer(float[] x, ReadOnlySpan<float> kernel, ReadOnlySpan<float> bias, float[] y)
    {
        for (int j = 0; j < y.Length; j++)
        {
            y[j] = bias[j];
            for (int i = 0; i < x.Length; i++)
                y[j] += x[i] * kernel[(i * y.Length) + j];
        }
    }
}
