using Infinorm.Pipeline;

namespace Infinorm;

public abstract unsafe partial class Optimizer
{
    Gradient[] _ordered = [];
    bool[] _isListed = [];
    HashSet<object>? _variableArrays;

    /// <summary>
    /// Checks the gradients and hands them to the pipeline. A gradient in the same memory as in the last call was checked then.
    /// </summary>
    /// <returns>How many are missing.</returns>
    int Accept(ReadOnlySpan<Gradient> gradients)
    {
        CheckSome(gradients);
        if (_executor is not null) // its gradients are not memory
            return CountMissing(gradients);
        int missing = 0;
        bool rows = false;
        Span<MemorySpot> accepted = _pipeline!.Gradients;
        for (int i = 0; i < gradients.Length; i++)
        {
            ref readonly Gradient gradient = ref gradients[i];
            if (gradient.IsNone)
                missing++;
            rows |= gradient.Spot.IsRows;
            if (gradient.Spot.IsSameAs(in accepted[i]))
                continue;
            if (!gradient.IsNone)
                CheckGradient(gradient, _trainable[i]);
            accepted[i] = gradient.Spot;
        }

        if (rows)
            AcceptRows(gradients);
        return missing;
    }

    // The numbers of the rows may be others each time.
    void AcceptRows(ReadOnlySpan<Gradient> gradients)
    {
        for (int i = 0; i < gradients.Length; i++)
        {
            if (gradients[i].AsRows is { } rows)
                RowOrder.Check(rows, _trainable[i]);
        }

        for (int i = 0; i < gradients.Length; i++)
        {
            if (gradients[i].AsRows is { } rows)
                _pipeline!.RowsOf(i).Sort(rows, _trainable[i]);
        }
    }

    static int CountMissing(ReadOnlySpan<Gradient> gradients)
    {
        int missing = 0;
        foreach (Gradient gradient in gradients)
            missing += gradient.IsNone ? 1 : 0;
        return missing;
    }

    void CheckSome(ReadOnlySpan<Gradient> gradients)
    {
        foreach (Gradient gradient in gradients)
        {
            if (!gradient.IsNone)
                return;
        }

        throw new ArgumentException($"{Name}: no variable has a gradient.", nameof(gradients));
    }

    void CheckGradient(Gradient gradient, Variable variable)
    {
        MemorySpot spot = gradient.AsRows?.Values ?? gradient.Spot;
        if (gradient.AsRows is null && spot.Length != variable.Length)
            throw new ArgumentException($"{variable.Path}: gradient has {spot.Length} elements, the variable has {variable.Length}.");
        if (spot.Owner is Array array)
        {
            _variableArrays ??= new(_trainable.Select(v => v.Spot.Owner).OfType<Array>(), ReferenceEqualityComparer.Instance);
            if (!_variableArrays.Contains(array) && _variableArrays.Count == _trainable.Length)
                return;
        }
        else if (spot.Length > 0)
        {
            fixed (byte* address = &spot.At(0))
            {
                if (_arena!.Holds(address))
                    throw new ArgumentException($"{variable.Path}: the gradient lies in the optimizer's own memory.");
            }
        }

        foreach (Variable other in _trainable)
        {
            if (spot.Overlaps(other.Spot))
                throw new ArgumentException($"{variable.Path}: the gradient overlaps the variable {other.Path} in memory.");
        }
    }

    /// <summary>The gradients in the order of the built variables.</summary>
    /// <exception cref="ArgumentException">A variable is unknown or listed twice.</exception>
    internal virtual ReadOnlySpan<Gradient> Ordered(ReadOnlySpan<Gradient> gradients, ReadOnlySpan<Variable> variables)
    {
        if (variables.SequenceEqual(_trainable))
            return gradients;

        if (_ordered.Length == 0)
        {
            _ordered = new Gradient[_trainable.Length];
            _isListed = new bool[_trainable.Length];
        }

        Array.Clear(_ordered);
        Array.Clear(_isListed);
        for (int i = 0; i < variables.Length; i++)
        {
            ArgumentNullException.ThrowIfNull(variables[i]);
            if (!_indices.TryGetValue(variables[i], out int index))
            {
                throw new ArgumentException(
                    $"{variables[i].Path}: unknown variable. {Name} can only step the variables it was built for.", nameof(variables));
            }

            if (_isListed[index])
                throw new ArgumentException($"{variables[i].Path}: the variable is listed twice.", nameof(variables));
            _isListed[index] = true;
            _ordered[index] = gradients[i];
        }

        return _ordered;
    }

    bool HasSteppedGradient(ReadOnlySpan<Gradient> gradients)
    {
        for (int i = 0; i < gradients.Length; i++)
        {
            if (!gradients[i].IsNone && !_trainable[i].OverwriteWithGradient)
                return true;
        }

        return false;
    }
}
