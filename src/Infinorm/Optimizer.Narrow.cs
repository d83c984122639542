namespace Infinorm;

// What 16-bit variables may have beyond Keras, so that steps too small for their type are not lost.
public abstract partial class Optimizer
{
    /// <summary>What a checkpoint calls the master weights.</summary>
    internal const string MasterSlot = "master";

    /// <summary>
    /// Whether each <see cref="Half"/> and <see cref="Numerics.BFloat16"/> variable has master weights: a float copy among the optimizer's
    /// <see cref="Variables"/> (4 bytes an element), which is stepped, and the variable is its rounding to nearest. So steps too small for
    /// 16 bits add up. The default is false; variables of other types have none. Keras has no such setting.
    /// </summary>
    /// <remarks>
    /// The copy begins as the variable at Build. The variable has the last word: where it is assigned from outside, so that it is no
    /// longer the copy's rounding, the next step starts from the variable's value there.
    /// </remarks>
    public bool UseMasterWeights
    {
        get => _settings.UseMasterWeights;
        init => _settings.UseMasterWeights = value;
    }

    /// <summary>
    /// Whether steps round <see cref="Half"/> and <see cref="Numerics.BFloat16"/> variables up or down at random, so that the mean is the
    /// unrounded value: steps too small for 16 bits add up, without master weights' memory. It and <see cref="UseMasterWeights"/> exclude
    /// each other. The default is false: to nearest. Keras has no such setting.
    /// </summary>
    /// <remarks>
    /// The random bits depend on <see cref="RoundingSeed"/>, the stored iteration, the variable's path and the element alone: neither
    /// on threads, vector widths nor the order of the variables, and a run that is loaded goes on with the same ones.
    /// </remarks>
    public bool UseStochasticRounding
    {
        get => _settings.UseStochasticRounding;
        init => _settings.UseStochasticRounding = value;
    }

    /// <summary>Chooses the random bits of <see cref="UseStochasticRounding"/>: any integer. The default is 0.</summary>
    public int RoundingSeed
    {
        get => _settings.RoundingSeed;
        init => _settings.RoundingSeed = value;
    }

    void CheckNarrowSettings()
    {
        if (UseMasterWeights && UseStochasticRounding)
        {
            throw new InvalidOperationException(
                $"{Name}: UseMasterWeights and UseStochasticRounding exclude each other, as a variable with master weights loses nothing "
                + "when it is rounded to nearest. Set one of them.");
        }

        if (_executor is not null && UseStochasticRounding)
            throw new NotSupportedException($"{Name} steps tensors of a device; stochastic rounding is for memory.");
    }

    void CopyAveragesToMasterWeights()
    {
        if (!UseMasterWeights)
            return;
        Dictionary<Variable, Variable> averages = Averages().ToDictionary(pair => pair.Variable, pair => pair.Average);
        foreach (var (owner, master) in _slotOwners.Zip(_slotVariables))
        {
            if (owner.Slot == MasterSlot)
                master.CopyFrom(averages[owner.Of]);
        }
    }
}
