using System.Numerics;
using System.Text.RegularExpressions;
using Infinorm.Config;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Schedules;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Optimizers;

/// <summary>
/// Muon (Jordan et al., 2024), as Keras computes it: the momentum of each matrix is made nearly orthogonal by a Newton-Schulz iteration before
/// it is a step. Variables of other ranks, embeddings and excluded layers are stepped as by <see cref="Adam"/>.
/// </summary>
/// <remarks>A step multiplies matrices: for n × m elements, n ≤ m, 2 · n · n · (2m + n) operations an iteration, in double.</remarks>
public sealed class Muon : RuleOptimizer, IBlockRule
{
    readonly Hyperparameter<double> _adamBeta1, _adamBeta2, _epsilon, _muonA, _muonB, _muonC, _adamLearningRateRatio, _momentumFactor;
    readonly Hyperparameter<double?> _adamWeightDecay, _rmsRate;
    readonly Hyperparameter<string[]> _excludeLayers;
    readonly Hyperparameter<int> _newtonSchulzSteps;
    readonly Hyperparameter<bool> _nesterov, _excludeEmbeddings;
    Slot _momentum, _velocity;

    /// <summary>
    /// A Muon with Keras's defaults: a rate of null is 0.001, <see cref="RuleOptimizer.WeightDecay"/>, that of matrices, is 0.004; the
    /// properties describe the other arguments.
    /// </summary>
    /// <exception cref="ArgumentException">A number is outside its range, or an expression not regular.</exception>
    public Muon(
        LearningRate? learningRate = null, double adamBeta1 = 0.9, double adamBeta2 = 0.999, double? adamWeightDecay = 0.004,
        double epsilon = 1e-7, IEnumerable<string>? excludeLayers = null, bool excludeEmbeddings = true, double muonA = 3.4445,
        double muonB = -4.7750, double muonC = 2.0315, double adamLearningRateRatio = 1, double momentum = 0.95, int newtonSchulzSteps = 5,
        bool nesterov = true, double? rmsRate = 0.2)
        : base(learningRate ?? 0.001)
    {
        WeightDecay = 0.004;
        _adamBeta1 = Hyperparameters.Number("adam_beta_1", adamBeta1);
        _adamBeta2 = Hyperparameters.Number("adam_beta_2", adamBeta2);
        _epsilon = Hyperparameters.Number("epsilon", epsilon, NumberRange.NotNegative);
        _excludeLayers = Hyperparameters.Texts("exclude_layers", excludeLayers ?? [], static pattern => _ = new Regex(pattern));
        _muonA = Hyperparameters.Number("muon_a", muonA);
        _muonB = Hyperparameters.Number("muon_b", muonB);
        _muonC = Hyperparameters.Number("muon_c", muonC);
        _adamLearningRateRatio = Hyperparameters.Steps("adam_lr_ratio", adamLearningRateRatio);
        _momentumFactor = Hyperparameters.Number("momentum", momentum, NumberRange.NotNegative);
        _newtonSchulzSteps = Hyperparameters.Integer("ns_steps", newtonSchulzSteps);
        _nesterov = Hyperparameters.Switch("nesterov", nesterov);
        _excludeEmbeddings = Hyperparameters.Switch("exclude_embeddings", excludeEmbeddings);
        _adamWeightDecay = Hyperparameters.OptionalNumber("adam_weight_decay", adamWeightDecay);
        _rmsRate = Hyperparameters.OptionalNumber("rms_rate", rmsRate);
    }

    /// <summary>Adam's decay of the mean of the gradients, any finite number; 0.9 by default. Keras: <c>adam_beta_1</c>.</summary>
    public double AdamBeta1 => _adamBeta1;

    /// <summary>Adam's decay of the mean of their squares, any finite number; 0.999 by default. Keras: <c>adam_beta_2</c>.</summary>
    public double AdamBeta2 => _adamBeta2;

    /// <summary>Decoupled weight decay of what Adam steps; 0.004 by default, null for none. Keras: <c>adam_weight_decay</c>.</summary>
    public double? AdamWeightDecay => _adamWeightDecay;

    /// <summary>Added to Adam's root, finite and ≥ 0; 1e-7 by default. Keras: <c>epsilon</c>.</summary>
    public double Epsilon => _epsilon;

    /// <summary>Regular expressions of what Adam steps, searched in paths; none by default. Keras: <c>exclude_layers</c>.</summary>
    public IReadOnlyList<string> ExcludeLayers => _excludeLayers.Value;

    /// <summary>Whether Adam steps what has "embedding" in its path; true by default. Keras: <c>exclude_embeddings</c>.</summary>
    public bool ExcludeEmbeddings => _excludeEmbeddings;

    /// <summary>The iteration's factor of x, any finite number; 3.4445 by default. Keras: <c>muon_a</c>.</summary>
    public double MuonA => _muonA;

    /// <summary>The iteration's factor of xxᵀx, any finite number; −4.775 by default. Keras: <c>muon_b</c>.</summary>
    public double MuonB => _muonB;

    /// <summary>The iteration's factor of xxᵀxxᵀx, any finite number; 2.0315 by default. Keras: <c>muon_c</c>.</summary>
    public double MuonC => _muonC;

    /// <summary>What the rate is multiplied by for Adam, any finite number; 1 by default. Keras: <c>adam_lr_ratio</c>.</summary>
    public double AdamLearningRateRatio => _adamLearningRateRatio;

    /// <summary>The momentum of matrices, finite and ≥ 0; 0.95 by default. Keras: <c>momentum</c>.</summary>
    public double Momentum => _momentumFactor;

    /// <summary>How many iterations are made; 5 by default, none if negative. Keras: <c>ns_steps</c>.</summary>
    public int NewtonSchulzSteps => _newtonSchulzSteps;

    /// <summary>Whether the momentum looks ahead; true by default. Keras: <c>nesterov</c>.</summary>
    public bool Nesterov => _nesterov;

    /// <summary>What steps are scaled by, with the root of the longer side; 0.2 by default, null for neither. Keras: <c>rms_rate</c>.</summary>
    public double? RmsRate => _rmsRate;

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
