namespace Infinorm.Execution.Memory;

/// <summary>Checks gradients in memory that was not checked in the last call.</summary>
sealed unsafe class GradientChecks(Variable[] variables, Arena arena)
{
    HashSet<object>? _arrays;

    /// <exception cref="ArgumentException">
    /// The gradient has another length than its variable, lies in the optimizer's memory, or overlaps a variable.
    /// </exception>
    public void Check(Gradient gradient, Variable variable)
    {
        MemorySpot spot = gradient.AsRows?.Values ?? gradient.Spot;
        if (gradient.AsRows is null && spot.Length != variable.Length)
            throw new ArgumentException($"{variable.Path}: gradient has {spot.Length} elements, the variable has {variable.Length}.");
        if (spot.Owner is Array array)
        {
            _arrays ??= new(variables.Select(v => v.Spot.Owner).OfType<Array>(), ReferenceEqualityComparer.Instance);
            if (!_arrays.Contains(array) && _arrays.Count == variables.Length)
                return;
        }
        else if (spot.Length > 0)
        {
            fixed (byte* address = &spot.At(0))
            {
                if (arena.Holds(address))
                    throw new ArgumentException($"{variable.Path}: the gradient lies in the optimizer's own memory.");
            }
        }

        foreach (Variable other in variables)
        {
            if (spot.Overlaps(other.Spot))
                throw new ArgumentException($"{variable.Path}: the gradient overlaps the variable {other.Path} in memory.");
        }
    }
}
