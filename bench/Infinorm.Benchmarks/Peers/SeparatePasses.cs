using System.Numerics.Tensors;

namespace Infinorm.Benchmarks;

/// <summary>
/// An updating step with accumulation, clipping, decay and averaging, each stage a pass of its own around a bare Infinorm step:
/// what one gets by putting the features together from vectorised calls, on the threads of a team.
/// </summary>
sealed class SeparatePasses
{
    const int AccumulationSteps = 2;
    const float LearningRate = 1e-3f, ClipNorm = 1, Decay = 0.004f, EmaMomentum = 0.99f;

    readonly SpinTeam _team;
    readonly Action _bareStep;
    readonly Memory<float> _weights;
    readonly Memory<float> _gradients;
    readonly Memory<float> _accumulator;
    readonly Memory<float> _mean;
    readonly Memory<float> _average;
    readonly float[] _squares;
    float _clipFactor;

    /// <param name="streams">The weights and gradients.</param>
    /// <param name="team">The threads of every pass but the bare step.</param>
    /// <param name="bareStep">Makes the step that takes the gradients which the passes prepare.</param>
    public SeparatePasses(Streams streams, SpinTeam team, Func<Memory<float>, Action> bareStep)
    {
        _team = team;
        _weights = streams.Weights;
        _gradients = streams.Gradients;
        _accumulator = Streams.Aligned(streams.Length);
        _mean = Streams.Aligned(streams.Length);
        _average = Streams.Aligned(streams.Length);
        _squares = new float[team.Threads];
        _bareStep = bareStep(_mean);
    }

    public void Step()
    {
        _team.Wake();
        _team.Run(Accumulate);
        _team.Run(Average);
        _team.Run(Norm);
        _clipFactor = ClipNorm / MathF.Max(MathF.Sqrt(TensorPrimitives.Sum<float>(_squares)), ClipNorm);
        _team.Run(Clip);
        _team.Run(DecayWeights);
        _team.Rest();
        _bareStep();
        _team.Wake();
        _team.Run(AverageWeights);
        _team.Run(ClearAccumulator);
        _team.Rest();
    }

    void Accumulate(int part, int parts)
    {
        Span<float> sum = Cut(_accumulator, part, parts);
        TensorPrimitives.Add(sum, Cut(_gradients, part, parts), sum);
    }

    void Average(int part, int parts) =>
        TensorPrimitives.Multiply(Cut(_accumulator, part, parts), 1f / AccumulationSteps, Cut(_mean, part, parts));

    void Norm(int part, int parts) => _squares[part] = TensorPrimitives.SumOfSquares<float>(Cut(_mean, part, parts));

    void Clip(int part, int parts)
    {
        Span<float> mean = Cut(_mean, part, parts);
        TensorPrimitives.Multiply(mean, _clipFactor, mean);
    }

    void DecayWeights(int part, int parts)
    {
        Span<float> weights = Cut(_weights, part, parts);
        TensorPrimitives.Multiply(weights, 1 - LearningRate * Decay, weights);
    }

    void AverageWeights(int part, int parts)
    {
        Span<float> average = Cut(_average, part, parts);
        TensorPrimitives.Lerp(Cut(_weights, part, parts), average, EmaMomentum, average);
    }

    void ClearAccumulator(int part, int parts) => Cut(_accumulator, part, parts).Clear();

    static Span<float> Cut(Memory<float> stream, int part, int parts)
    {
        int start = (int)((long)stream.Length * part / parts);
        return stream.Span[start..(int)((long)stream.Length * (part + 1) / parts)];
    }
}
