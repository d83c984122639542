using System.Numerics;
using System.Text.RegularExpressions;
using Infinorm.Config;
using Infinorm.Execution;
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
public sealed class Muon : RuleOptimizer
{
    readonly Hyperparameter<double> _beta1, _beta2, _epsilon, _a, _b, _c, _ratio, _factor;
    readonly Hyperparameter<double?> _adamWeightDecay, _rmsRate;
    readonly Hyperparameter<string[]> _excludeLayers;
    readonly Hyperparameter<int> _steps;
    readonly Hyperparameter<bool> _nesterov, _excludeEmbeddings;
    Slot _momentum, _velocity;

    /// <summary>A Muon with Keras's defaults; those of weight decay are 0.004.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. Keras: <c>learning_rate</c>.</param>
    /// <param name="adamBeta1">Adam's decay of the mean of the gradients. Keras: <c>adam_beta_1</c>.</param>
    /// <param name="adamBeta2">Adam's decay of the mean of their squares. Keras: <c>adam_beta_2</c>.</param>
    /// <param name="adamWeightDecay">Weight decay of what Adam steps; null for none. Keras: <c>adam_weight_decay</c>.</param>
    /// <param name="epsilon">Adam's, added to the root. Keras: <c>epsilon</c>.</param>
    /// <param name="excludeLayers">Regular expressions, searched in paths, of what Adam steps. Keras: <c>exclude_layers</c>.</param>
    /// <param name="excludeEmbeddings">Whether Adam steps paths with "embedding". Keras: <c>exclude_embeddings</c>.</param>
    /// <param name="muonA">The iteration's factor of x. Keras: <c>muon_a</c>.</param>
    /// <param name="muonB">The iteration's factor of xxᵀx. Keras: <c>muon_b</c>.</param>
    /// <param name="muonC">The iteration's factor of xxᵀxxᵀx. Keras: <c>muon_c</c>.</param>
    /// <param name="adamLearningRateRatio">What the rate is multiplied by for Adam. Keras: <c>adam_lr_ratio</c>.</param>
    /// <param name="momentum">The momentum of matrices. Keras: <c>momentum</c>.</param>
    /// <param name="newtonSchulzSteps">How many iterations are made. Keras: <c>ns_steps</c>.</param>
    /// <param name="nesterov">Whether the momentum is Nesterov's. Keras: <c>nesterov</c>.</param>
    /// <param name="rmsRate">What steps are scaled by, with the root of the longer side; null: not. Keras: <c>rms_rate</c>.</param>
    /// <exception cref="ArgumentException">A number is not finite, or an expression not regular.</exception>
    public Muon(
        LearningRate? learningRate = null, double adamBeta1 = 0.9, double adamBeta2 = 0.999, double? adamWeightDecay = 0.004,
        double epsilon = 1e-7, IEnumerable<string>? excludeLayers = null, bool excludeEmbeddings = true, double muonA = 3.4445,
        double muonB = -4.7750, double muonC = 2.0315, double adamLearningRateRatio = 1, double momentum = 0.95, int newtonSchulzSteps = 5,
        bool nesterov = true, double? rmsRate = 0.2)
        : base(learningRate ?? 0.001)
    {
        WeightDecay = 0.004;
        _beta1 = Hyperparameters.Number("adam_beta_1", adamBeta1);
        _beta2 = Hyperparameters.Number("adam_beta_2", adamBeta2);
        _epsilon = Hyperparameters.Number("epsilon", epsilon, NumberRange.NotNegative);
        _excludeLayers = Hyperparameters.Texts("exclude_layers", excludeLayers ?? [], static pattern => _ = new Regex(pattern));
        _a = Hyperparameters.Number("muon_a", muonA);
        _b = Hyperparameters.Number("muon_b", muonB);
        _c = Hyperparameters.Number("muon_c", muonC);
        _ratio = Hyperparameters.Steps("adam_lr_ratio", adamLearningRateRatio);
        _factor = Hyperparameters.Number("momentum", momentum, NumberRange.NotNegative);
        _steps = Hyperparameters.Integer("ns_steps", newtonSchulzSteps);
        _nesterov = Hyperparameters.Switch("nesterov", nesterov);
        _excludeEmbeddings = Hyperparameters.Switch("exclude_embeddings", excludeEmbeddings);
        _adamWeightDecay = Hyperparameters.OptionalNumber("adam_weight_decay", adamWeightDecay);
        _rmsRate = Hyperparameters.OptionalNumber("rms_rate", rmsRate);
    }

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots) => (_momentum, _velocity) = slots.Add(
        "momentum", new SlotSpec("velocity") { FormOf = v => IsAdams(v.Path, v.Shape) ? null : SlotForm.None, IsNeverNegative = true });

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context) => context.Run(
        new Rule(this, context.UnroundedLearningRate, context.Iterations + 1));

    internal override OwnDecay? OwnDecayOf(Variable variable) =>
        IsAdams(variable.Path, variable.Shape) ? new OwnDecay(_adamWeightDecay) : null;

    bool IsAdams(string path, ReadOnlySpan<nint> shape) => shape.Length != 2
        || (_excludeEmbeddings && path.Contains("embedding", StringComparison.OrdinalIgnoreCase))
        || Array.Exists(_excludeLayers.Value, pattern => Regex.IsMatch(path, pattern, RegexOptions.CultureInvariant));

    // Keras forms the product of a number or schedule in floatx.
    double AdamsRate(double rate) => LearningRate.Function is not null || FloatX == DType.Float64
        ? rate * _ratio
        : (float)rate * (float)_ratio.Value;

    sealed class Rule(Muon muon, double rate, long step) : IBlockRule
    {
        public bool NeedsWholeVariables => true;

        public void Step<T>(Block<T> block)
            where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (muon.IsAdams(block.Path, block.Shape))
                StepAsAdam(block);
            else
                StepMatrix(block);
        }

        void StepAsAdam<T>(Block<T> block)
            where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T correction = T.Sqrt(T.One - IntegerPower.Of<T>(muon._beta2, step)), rateT = T.CreateTruncating(muon.AdamsRate(rate));
            T alpha = rateT * correction / (T.One - IntegerPower.Of<T>(muon._beta1, step)), epsilon = T.CreateTruncating(muon._epsilon.Value);
            T oneMinusBeta1 = T.CreateTruncating(1 - muon._beta1), oneMinusBeta2 = T.CreateTruncating(1 - muon._beta2);
            Span<T> weights = block.Weights, m = block[muon._momentum], v = block[muon._velocity];
            for (int i = 0; i < weights.Length; i++)
            {
                T gradient = block.Gradient[i];
                m[i] += (gradient - m[i]) * oneMinusBeta1;
                v[i] += ((gradient * gradient) - v[i]) * oneMinusBeta2;
                weights[i] -= m[i] * alpha / (T.Sqrt(v[i]) + epsilon);
            }
        }

        // In double, every operation rounded to the type that Keras computes it in: the gradient's, if that is wider.
        void StepMatrix<T>(Block<T> block)
            where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            bool isSingle = typeof(T) == typeof(float), roundsToSingle = isSingle && block.WideGradient.IsEmpty;
            Span<T> weights = block.Weights, m = block[muon._momentum];
            T decay = T.CreateTruncating(muon._factor - 1), factor = T.CreateTruncating(muon._factor.Value);
            double[] x = new double[weights.Length];
            for (int i = 0; i < x.Length; i++)
            {
                double g = block.WideGradient.IsEmpty ? double.CreateTruncating(block.Gradient[i]) : block.WideGradient[i];
                m[i] = T.CreateTruncating(double.CreateTruncating(m[i]) + Round(g + double.CreateTruncating(m[i] * decay)));
                x[i] = muon._nesterov ? Round(g + double.CreateTruncating(factor * m[i])) : double.CreateTruncating(m[i]);
            }

            int rows = (int)block.Shape[0], columns = (int)block.Shape[1];
            x = rows > columns
                ? MatrixProduct.Transposed(Orthogonalized(MatrixProduct.Transposed(x, rows, columns), columns, rows), columns, rows)
                : Orthogonalized(x, rows, columns);
            double side = Round(MathF.Sqrt(Math.Max(rows, columns))), scale = Round(muon._rmsRate.Value ?? 1);
            double rateT = double.CreateTruncating(T.CreateTruncating(rate));
            for (int i = 0; i < x.Length; i++)
            {
                double scaled = Round(rateT * x[i]);
                scaled = muon._rmsRate.Value is null ? scaled : Round(Round(scaled * side) * scale);
                weights[i] = T.CreateTruncating(double.CreateTruncating(weights[i]) - scaled);
            }

            double Round(double value) => roundsToSingle ? (float)value : value;

            double[] Orthogonalized(double[] x, int n, int k)
            {
                double a = Round(muon._a), b = Round(muon._b), c = Round(muon._c), squares = 0;
                Array.ForEach(x, value => squares += Round(value * value));
                double norm = Round(Round(Math.Sqrt(Round(squares))) + Round(1e-7));
                x = Array.ConvertAll(x, value => Round(value / norm));
                double[] gram = new double[n * n], square = new double[n * n], next = new double[x.Length];
                for (int i = 0; i < muon._steps; i++)
                {
                    MatrixProduct.Multiply(x, MatrixProduct.Transposed(x, n, k), gram, n, k, n);
                    gram = Array.ConvertAll(gram, Round);
                    MatrixProduct.Multiply(Array.ConvertAll(gram, value => Round(c * value)), gram, square, n, n, n);
                    for (int j = 0; j < square.Length; j++)
                        square[j] = Round(Round(b * gram[j]) + Round(square[j]));
                    MatrixProduct.Multiply(square, x, next, n, n, k);
                    for (int j = 0; j < x.Length; j++)
                        x[j] = Round(Round(a * x[j]) + Round(next[j]));
                }

                return x;
            }
        }
    }
}
