using System.Buffers;
using System.Numerics;
using Infinorm.Types;

namespace Infinorm.Constraints;

/// <summary>
/// Base of Keras's constraints on norms. A norm is <c>sqrt(sum(w * w))</c> over some axes; there is one for each place on the others.
/// </summary>
public abstract class NormConstraint : Constraint
{
    /// <summary>Keras's epsilon, which keeps a zero norm from being divided by.</summary>
    private protected const double Epsilon = 1e-7;

    readonly int[] _axis;

    private protected NormConstraint(int[] axis)
    {
        ArgumentNullException.ThrowIfNull(axis);
        _axis = axis.Length > 0 ? [.. axis] : [0];
    }

    /// <summary>Whether the weights are divided by their factor instead of multiplied, which rounds differently.</summary>
    private protected virtual bool Divides => false;

    /// <summary>The factor for the weights that have this norm.</summary>
    private protected abstract T Factor<T>(T norm)
        where T : IFloatingPointIeee754<T>;

    /// <inheritdoc/>
    protected internal sealed override void Validate(string variable, ReadOnlySpan<nint> shape) =>
        MarkAxes(stackalloc bool[shape.Length], variable, shape);

    /// <inheritdoc/>
    protected internal sealed override void Apply<T>(Span<T> values, ReadOnlySpan<nint> shape)
    {
        Span<bool> isSummed = stackalloc bool[shape.Length];
        MarkAxes(isSummed, "variable", shape);
        if (values.IsEmpty)
            return;

        // The norms form an array of the axes that are kept; along an axis that is summed the place in it does not move.
        Span<int> strides = stackalloc int[shape.Length];
        int count = 1;
        for (int axis = shape.Length - 1; axis >= 0; axis--)
        {
            strides[axis] = isSummed[axis] ? 0 : count;
            count *= isSummed[axis] ? 1 : (int)shape[axis];
        }

        double[] sums = ArrayPool<double>.Shared.Rent(count);
        Array.Clear(sums, 0, count);

        int row = (int)shape[^1];
        int stride = strides[^1];
        for (int start = 0; start < values.Length; start += row)
        {
            int norm = NormOfRow(start / row, shape, strides);
            foreach (T weight in values.Slice(start, row))
            {
                sums[norm] += double.CreateTruncating(weight * weight); // the square rounded to T, the sum in double
                norm += stride;
            }
        }

        double[] factors = sums; // each takes the place of its sum
        for (int i = 0; i < count; i++)
            factors[i] = double.CreateTruncating(Factor(T.Sqrt(T.CreateTruncating(sums[i]))));

        bool divides = Divides;
        for (int start = 0; start < values.Length; start += row)
        {
            int norm = NormOfRow(start / row, shape, strides);
            foreach (ref T weight in values.Slice(start, row))
            {
                T factor = T.CreateTruncating(factors[norm]);
                weight = divides ? weight / factor : weight * factor;
                norm += stride;
            }
        }
        ArrayPool<double>.Shared.Return(sums);
    }

    /// <summary>The place of the norm of a row's first element. A row runs along the last axis.</summary>
    static int NormOfRow(int row, ReadOnlySpan<nint> shape, ReadOnlySpan<int> strides)
    {
        int norm = 0;
        for (int axis = shape.Length - 2; axis >= 0; axis--)
        {
            (row, int index) = Math.DivRem(row, (int)shape[axis]);
            norm += index * strides[axis];
        }
        return norm;
    }

    void MarkAxes(Span<bool> isSummed, string variable, ReadOnlySpan<nint> shape)
    {
        isSummed.Clear();
        foreach (int axis in _axis)
        {
            int index = axis < 0 ? axis + shape.Length : axis;
            if (index < 0 || index >= shape.Length)
            {
                throw new ArgumentException(
                    $"{variable}: {GetType().Name} sums over axis {axis}, which the shape {Shapes.Format(shape)} does not have.");
            }
            if (isSummed[index])
            {
                throw new ArgumentException(
                    $"{variable}: {GetType().Name} names axis {axis} of the shape {Shapes.Format(shape)} twice.");
            }
            isSummed[index] = true;
        }
    }
}
