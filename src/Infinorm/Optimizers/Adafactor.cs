using System.Numerics;
using Infinorm.Config;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Schedules;
using Infinorm.Types;

namespace Infinorm.Optimizers;

/// <summary>
/// Adafactor (Shazeer and Stern, 2018), as Keras computes it: the squares of a matrix's gradients are kept as means of its rows and columns,
/// and the step is relative to the size of the weights. Keras, and so this, keeps the full product of the means too: it saves no memory.
/// <code>
/// s = g² + ε₁;  b = 1 − tᵝ;  α = max(ε₂, rms(w)) · min(rate, 1/√t)
/// r ← b · r + (1 − b) · mean of s over the last axis;  c the same over the last but one
/// v ← r / mean(r) · c, or, of a vector or scalar, b · v + (1 − b) · s
/// u = g / √v;  w ← w − α · u / max(1, rms(u) / threshold)
/// </code>
/// </summary>
public sealed class Adafactor : RuleOptimizer, IBlockRule
{
    readonly Hyperparameter<double> _beta2Decay, _epsilon1, _epsilon2, _clipThreshold;
    readonly Hyperparameter<bool> _relativeStep;
    Slot _rows, _columns, _velocity;

    /// <summary>An Adafactor with Keras's defaults. A rate of null is 0.001; the properties describe the other arguments.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A number is not finite.</exception>
    public Adafactor(
        LearningRate? learningRate = null, double beta2Decay = -0.8, double epsilon1 = 1e-30, double epsilon2 = 1e-3,
        double clipThreshold = 1, bool relativeStep = true)
        : base(learningRate ?? 0.001)
    {
        _beta2Decay = Hyperparameters.Number("beta_2_decay", beta2Decay);
        _epsilon1 = Hyperparameters.Number("epsilon_1", epsilon1);
        _epsilon2 = Hyperparameters.Number("epsilon_2", epsilon2);
        _clipThreshold = Hyperparameters.Number("clip_threshold", clipThreshold);
        _relativeStep = Hyperparameters.Switch("relative_step", relativeStep);
    }

    /// <summary>The exponent β of the decay of the squares, any finite number; −0.8 by default. Keras: <c>beta_2_decay</c>.</summary>
    public double Beta2Decay => _beta2Decay;

    /// <summary>Added to the squares of the gradients, any finite number; 1e-30 by default. Keras: <c>epsilon_1</c>.</summary>
    public double Epsilon1 => _epsilon1;

    /// <summary>The least size of weights that a step is relative to, any finite number; 0.001 by default. Keras: <c>epsilon_2</c>.</summary>
    public double Epsilon2 => _epsilon2;

    /// <summary>The root mean square to which updates are clipped, any finite number; 1 by default. Keras: <c>clip_threshold</c>.</summary>
    public double ClipThreshold => _clipThreshold;

    /// <summary>A setting that changes nothing, as in Keras; true by default. Keras: <c>relative_step</c>.</summary>
    public bool RelativeStep => _relativeStep;

    bool IBlockRule.NeedsWholeVariables => true;

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots) => (_rows, _columns, _velocity) = slots.Add(
        new SlotSpec("r") { FormOf = static (path, shape) => Means(path, shape, dropped: 1), IsNeverNegative = true },
        new SlotSpec("c") { FormOf = static (path, shape) => Means(path, shape, dropped: 2), IsNeverNegative = true },
        new SlotSpec("velocity") { IsNeverNegative = true });

    // Without the last axis, or the last but one; Keras names them as the variable.
    static SlotForm Means(string path, ReadOnlySpan<nint> shape, int dropped)
    {
        string name = path[(path.LastIndexOf('/') + 1)..];
        return shape.Length < 2
            ? SlotForm.Placeholder(name)
            : SlotForm.Named(name, [.. shape[..^dropped], .. shape[(shape.Length - dropped + 1)..]]);
    }

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context) => context.Run(this);

    int IBlockRule.ScratchLength(ReadOnlySpan<nint> shape) => Shapes.Length(shape);

    void IBlockRule.Step<T>(Block<T> block)
    {
        T t = T.CreateTruncating(block.Iterations + 1), epsilon1 = T.CreateTruncating(Epsilon1);
        T relative = T.Min(block.LearningRate, T.One / T.Sqrt(t));
        T alpha = T.Max(T.CreateTruncating(Epsilon2), WholeSums.RootMeanSquare<T>(block.Weights)) * relative;
        T b = T.One - ElementPower.Of(t, Beta2Decay), a = T.One - b;
        Span<T> weights = block.Weights, v = block[_velocity], update = block.Scratch[..weights.Length];
        for (int i = 0; i < update.Length; i++)
            update[i] = (block.Gradient[i] * block.Gradient[i]) + epsilon1;
        if (block.Shape.Length < 2)
        {
            for (int i = 0; i < v.Length; i++)
                v[i] = (b * v[i]) + (a * update[i]);
        }
        else
        {
            Factor(update, b, a, block[_rows], block[_columns], v, (int)block.Shape[^2], (int)block.Shape[^1]);
        }

        for (int i = 0; i < update.Length; i++)
            update[i] = block.Gradient[i] / T.Sqrt(v[i]);
        T clip = T.Max(T.One, WholeSums.RootMeanSquare<T>(update) / T.CreateTruncating(ClipThreshold));
        for (int i = 0; i < update.Length; i++)
            weights[i] -= alpha * (update[i] / clip);
    }

    // Matrix by matrix, where there are axes before the last two.
    static void Factor<T>(ReadOnlySpan<T> squares, T b, T a, Span<T> r, Span<T> c, Span<T> v, int rows, int columns)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int i = 0; i < r.Length; i++)
            r[i] = (b * r[i]) + (a * WholeSums.Mean(squares, i * columns, 1, columns));
        for (int i = 0; i < c.Length; i++)
            c[i] = (b * c[i]) + (a * WholeSums.Mean(squares, (i / columns * rows * columns) + (i % columns), columns, rows));
        for (int row = 0; row < r.Length; row++)
        {
            int matrix = row / rows;
            T share = r[row] / WholeSums.Mean<T>(r, matrix * rows, 1, rows);
            for (int column = 0; column < columns; column++)
                v[(row * columns) + column] = share * c[(matrix * columns) + column];
        }
    }
}
