using System.Numerics;
using System.Text.RegularExpressions;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Optimizers;

/// <summary>
/// Muon (Jordan et al., 2024), as Keras computes it: the momentum of each matrix is made nearly orthogonal by a Newton-Schulz iteration before
/// it is a step. Variables of other ranks, embeddings and excluded layers are stepped as by <see cref="Adam"/>.
/// </summary>
/// <remarks>A step multiplies matrices: for n × m elements, n ≤ m, 2 · n · n · (2m + n) operations an iteration, in double.</remarks>
public sealed partial class Muon : RuleOptimizer, IBlockRule
{
    Slot _momentum, _velocity;

    bool IBlockRule.NeedsWholeVariables => true;

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots) => (_momentum, _velocity) = slots.Add(
        "momentum",
        new SlotSpec("velocity") { FormOf = (path, shape) => IsAdams(path, shape) ? null : SlotForm.None, IsNeverNegative = true });

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context) => context.Run(this);

    internal override OwnDecay? OwnDecayOf(Variable variable) =>
        IsAdams(variable.Path, variable.Shape) ? new OwnDecay(AdamWeightDecay) : null;

    bool IsAdams(string path, ReadOnlySpan<nint> shape) => shape.Length != 2
        || (ExcludeEmbeddings && path.Contains("embedding", StringComparison.OrdinalIgnoreCase))
        || _excludeLayers.Value.Any(pattern => Regex.IsMatch(path, pattern, RegexOptions.CultureInvariant));

    int IBlockRule.ScratchLength(ReadOnlySpan<nint> shape) => shape.Length != 2
        ? 0 : checked((int)(shape[0] * shape[1]) + NewtonSchulz.ScratchLength((int)shape[0], (int)shape[1]));

    void IBlockRule.Step<T>(Block<T> block)
    {
        if (!block.Has(_velocity))
        {
            StepMatrix(block);
            return;
        }

        // Keras forms the product of a number or schedule in floatx.
        double rate = HasRateFunction || FloatX == DType.Float64
            ? block.UnroundedLearningRate * AdamLearningRateRatio
            : (float)block.UnroundedLearningRate * (float)AdamLearningRateRatio;
        var adam = new AdamStep<T>(this, block, rate);
        LaneWidth.Run(typeof(T) == typeof(double), ref adam);
    }

    // In double, every operation rounded to the type that Keras computes it in: the gradient's, if that is wider.
    void StepMatrix<T>(Block<T> block)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        bool rounds = typeof(T) == typeof(float) && block.WideGradient.IsEmpty;
        Span<T> weights = block.Weights, m = block[_momentum];
        Span<double> x = block.WideScratch[..weights.Length];
        T decay = T.CreateTruncating(Momentum - 1), factor = T.CreateTruncating(Momentum);
        for (int i = 0; i < x.Length; i++)
        {
            double g = block.WideGradient.IsEmpty ? double.CreateTruncating(block.Gradient[i]) : block.WideGradient[i];
            m[i] = T.CreateTruncating(double.CreateTruncating(m[i]) + Round(g + double.CreateTruncating(m[i] * decay)));
            x[i] = Nesterov ? Round(g + double.CreateTruncating(factor * m[i])) : double.CreateTruncating(m[i]);
        }

        int rows = (int)block.Shape[0], columns = (int)block.Shape[1];
        new NewtonSchulz(MuonA, MuonB, MuonC, NewtonSchulzSteps, rounds).Run(x, rows, columns, block.WideScratch[x.Length..]);
        double rate = double.CreateTruncating(block.LearningRate), side = Round(MathF.Sqrt(Math.Max(rows, columns))), scale = Round(RmsRate ?? 1);
        for (int i = 0; i < x.Length; i++)
        {
            double scaled = Round(rate * x[i]);
            scaled = RmsRate is null ? scaled : Round(Round(scaled * side) * scale);
            weights[i] = T.CreateTruncating(double.CreateTruncating(weights[i]) - scaled);
        }

        double Round(double value) => rounds ? (float)value : value;
    }

    readonly ref struct AdamStep<T>(Muon muon, Block<T> block, double rate) : ILaneAction
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        readonly Block<T> _block = block;

        public void Run<L>()
            where L : struct, ILane<L>
        {
            AdamRule<L> rule = AdamRule<L>.Of(L.Of(rate), _block.Iterations + 1, muon.AdamBeta1, muon.AdamBeta2, muon.Epsilon);
            _block.Run<L, AdamRule<L>>(in rule, _block.Weights, muon._momentum, muon._velocity);
        }
    }
}
