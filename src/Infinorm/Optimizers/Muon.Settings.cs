using System.Text.RegularExpressions;
using Infinorm.Config;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <content>The settings.</content>
public sealed partial class Muon
{
    readonly Hyperparameter<double> _adamBeta1, _adamBeta2, _epsilon, _muonA, _muonB, _muonC, _adamLearningRateRatio, _momentumFactor;
    readonly Hyperparameter<double?> _adamWeightDecay, _rmsRate;
    readonly Hyperparameter<string[]> _excludeLayers;
    readonly Hyperparameter<int> _newtonSchulzSteps;
    readonly Hyperparameter<bool> _nesterov, _excludeEmbeddings;

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

    /// <summary>The factor of steps, together with the root of the longer side; 0.2 by default, null to use neither. Keras: <c>rms_rate</c>.</summary>
    public double? RmsRate => _rmsRate;
}
