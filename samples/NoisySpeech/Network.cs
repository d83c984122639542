using System.Numerics;
using System.Runtime.InteropServices;
using Infinorm.Variables;

namespace Infinorm.Samples.NoisySpeech;

/// <summary>
/// A network with one hidden layer and the gradients of its loss, written out:
/// <code>
/// h = dropout(max(0, W₁ x + b₁))        p = softmax(W₂ h + b₂)        loss = −log p[digit]
/// </code>
/// </summary>
sealed class Network
{
    readonly int _inputs, _hidden, _outputs;
    readonly float[] _activations, _probabilities, _hiddenGradient;

    /// <summary>A network with random weights (He initialisation) and zero biases.</summary>
    public Network(int inputs, int hidden, int outputs, Random random)
    {
        (_inputs, _hidden, _outputs) = (inputs, hidden, outputs);
        (W1, B1) = (RandomWeights(hidden * inputs, Math.Sqrt(2.0 / inputs), random), new float[hidden]);
        (W2, B2) = (RandomWeights(outputs * hidden, Math.Sqrt(2.0 / hidden), random), new float[outputs]);
        (W1Gradient, B1Gradient) = (new float[W1.Length], new float[B1.Length]);
        (W2Gradient, B2Gradient) = (new float[W2.Length], new float[B2.Length]);
        (_activations, _hiddenGradient, _probabilities) = (new float[hidden], new float[hidden], new float[outputs]);
    }

    /// <summary>Weights of the hidden layer, one row a unit.</summary>
    public float[] W1 { get; }

    public float[] B1 { get; }

    /// <summary>Weights of the output layer, one row a digit.</summary>
    public float[] W2 { get; }

    public float[] B2 { get; }

    public float[] W1Gradient { get; }

    public float[] B1Gradient { get; }

    public float[] W2Gradient { get; }

    public float[] B2Gradient { get; }

    /// <summary>The variables an optimizer trains; <see cref="Gradients"/> are in the same order.</summary>
    public Variable[] Variables() =>
    [
        new Variable<float>("hidden/kernel", W1, [_hidden, _inputs]), new Variable<float>("hidden/bias", B1),
        new Variable<float>("output/kernel", W2, [_outputs, _hidden]), new Variable<float>("output/bias", B2),
    ];

    public Gradient[] Gradients() => [W1Gradient, B1Gradient, W2Gradient, B2Gradient];

    /// <summary>The most probable class.</summary>
    public int Predict(ReadOnlySpan<float> x)
    {
        Forward(x, keep: default);
        return IndexOfMax(_probabilities);
    }

    /// <summary>Sets the gradients to those of the mean loss over a batch.</summary>
    /// <param name="features">The inputs, one example after the other.</param>
    /// <param name="digits">The right answers.</param>
    /// <param name="dropout">The part of hidden units switched off in each example.</param>
    /// <param name="random">Chooses them.</param>
    /// <returns>The mean loss, and the part of the examples that was classified rightly.</returns>
    public (float Loss, float Accuracy) Backward(ReadOnlySpan<float> features, ReadOnlySpan<int> digits, float dropout, Random random)
    {
        foreach (float[] gradient in (ReadOnlySpan<float[]>)[W1Gradient, B1Gradient, W2Gradient, B2Gradient])
            Array.Clear(gradient);

        var keep = new float[_hidden];
        float loss = 0, correct = 0, weight = 1f / digits.Length;
        for (int example = 0; example < digits.Length; example++)
        {
            ReadOnlySpan<float> x = features.Slice(example * _inputs, _inputs);
            for (int unit = 0; unit < _hidden; unit++)
                keep[unit] = random.NextSingle() < dropout ? 0 : 1 / (1 - dropout);

            Forward(x, keep);
            int digit = digits[example];
            loss -= weight * MathF.Log(_probabilities[digit] + 1e-12f);
            correct += IndexOfMax(_probabilities) == digit ? weight : 0;

            // Through softmax and logarithm the gradient is p − (1 for the right digit, else 0).
            _probabilities[digit] -= 1;
            Array.Clear(_hiddenGradient);
            for (int output = 0; output < _outputs; output++)
            {
                float delta = weight * _probabilities[output];
                B2Gradient[output] += delta;
                AddScaled(W2Gradient.AsSpan(output * _hidden, _hidden), delta, _activations);
                AddScaled(_hiddenGradient, delta, W2.AsSpan(output * _hidden, _hidden));
            }

            for (int unit = 0; unit < _hidden; unit++)
            {
                if (_activations[unit] <= 0)
                    continue;
                float delta = _hiddenGradient[unit] * keep[unit];
                B1Gradient[unit] += delta;
                AddScaled(W1Gradient.AsSpan(unit * _inputs, _inputs), delta, x);
            }
        }

        return (loss, correct);
    }

    void Forward(ReadOnlySpan<float> x, ReadOnlySpan<float> keep)
    {
        for (int unit = 0; unit < _hidden; unit++)
        {
            float activation = Math.Max(0, Dot(W1.AsSpan(unit * _inputs, _inputs), x) + B1[unit]);
            _activations[unit] = keep.IsEmpty ? activation : activation * keep[unit];
        }

        for (int output = 0; output < _outputs; output++)
            _probabilities[output] = Dot(W2.AsSpan(output * _hidden, _hidden), _activations) + B2[output];
        Softmax(_probabilities);
    }

    static void Softmax(Span<float> values)
    {
        float largest = float.NegativeInfinity, sum = 0;
        foreach (float value in values)
            largest = Math.Max(largest, value);
        foreach (ref float value in values)
            sum += value = MathF.Exp(value - largest);
        foreach (ref float value in values)
            value /= sum;
    }

    static int IndexOfMax(ReadOnlySpan<float> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
            best = values[i] > values[best] ? i : best;
        return best;
    }

    static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        ReadOnlySpan<Vector<float>> va = MemoryMarshal.Cast<float, Vector<float>>(a), vb = MemoryMarshal.Cast<float, Vector<float>>(b);
        var sums = Vector<float>.Zero;
        for (int i = 0; i < va.Length; i++)
            sums += va[i] * vb[i];
        float sum = Vector.Sum(sums);
        for (int i = va.Length * Vector<float>.Count; i < a.Length; i++)
            sum += a[i] * b[i];
        return sum;
    }

    static void AddScaled(Span<float> target, float scale, ReadOnlySpan<float> values)
    {
        Span<Vector<float>> vt = MemoryMarshal.Cast<float, Vector<float>>(target);
        ReadOnlySpan<Vector<float>> vv = MemoryMarshal.Cast<float, Vector<float>>(values);
        for (int i = 0; i < vt.Length; i++)
            vt[i] += scale * vv[i];
        for (int i = vt.Length * Vector<float>.Count; i < target.Length; i++)
            target[i] += scale * values[i];
    }

    static float[] RandomWeights(int count, double deviation, Random random)
    {
        var weights = new float[count];
        for (int i = 0; i < count; i++)
        {
            // Box and Muller: two uniform numbers make a normal one.
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            weights[i] = (float)(deviation * radius * Math.Cos(2 * Math.PI * random.NextDouble()));
        }

        return weights;
    }
}
