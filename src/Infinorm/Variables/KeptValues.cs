namespace Infinorm.Variables;

/// <summary>Values of variables that are put back unless the new ones are accepted.</summary>
sealed class KeptValues : IDisposable
{
    readonly List<(Variable Variable, Variable Own)> _kept = [];

    /// <summary>Keeps a variable's own value.</summary>
    public void Keep(Variable variable) => _kept.Add((variable, variable.Copy()));

    /// <summary>Keeps a variable's own value and copies another variable's into it.</summary>
    public void Replace(Variable variable, Variable source)
    {
        Keep(variable);
        source.CopyInto(variable);
    }

    /// <summary>Keeps nothing any longer: the new values stay.</summary>
    public void Accept()
    {
        foreach (var (_, own) in _kept)
            own.ReleaseCopy();
        _kept.Clear();
    }

    /// <summary>Puts the own values back. One that cannot be put back does not keep the others from it.</summary>
    /// <exception cref="InvalidOperationException">One cannot.</exception>
    public void Dispose()
    {
        Exception? failure = null;
        foreach (var (variable, own) in _kept)
        {
            try
            {
                variable.CopyFrom(own);
            }
            catch (Exception e)
            {
                failure = e;
            }

            own.ReleaseCopy();
        }

        _kept.Clear();
        if (failure is not null)
            throw new InvalidOperationException($"A variable's own value could not be put back: {failure.Message}", failure);
    }
}
