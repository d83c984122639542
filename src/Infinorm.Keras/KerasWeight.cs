using Infinorm.Variables;

namespace Infinorm.Keras;

/// <summary>A weight of a model: a variable, and where its archive keeps it.</summary>
public sealed class KerasWeight
{
    internal KerasWeight(string location, Variable variable, ByteRange stored, bool isTrainable)
    {
        Stored = stored;
        Location = location;
        Variable = variable;
        IsTrainable = isTrainable;
        IsFrozen = !isTrainable;
    }

    /// <summary>The location of the weight in the HDF5 file: <c>layers/dense/vars/0</c>.</summary>
    public string Location { get; }

    /// <summary>
    /// The weight itself. Its path is made of the layers' names and, for Keras's own layers, of the weight's name:
    /// <c>hidden/kernel</c>; a weight whose name is not known has its number in the file. It has the constraint that the model's config
    /// gives it.
    /// </summary>
    public Variable Variable { get; }

    /// <summary>
    /// Whether the model trains the weight: its layers are trainable, and it is not a statistic, counter or the like that the layer sets
    /// itself. Of layers that are not Keras's own it is taken for granted where the weight is of a float type.
    /// </summary>
    public bool IsTrainable { get; internal set; }

    /// <summary>Whether the layer's config, or what is known about the weight, says that it is not trained.</summary>
    internal bool IsFrozen { get; }

    /// <summary>The elements as they are stored.</summary>
    internal ByteRange Stored { get; }

    /// <summary>Where else the same variable lies: Keras saves one that several layers have with each of them.</summary>
    internal List<string> Copies { get; } = [];

    /// <summary>Whether the weight's name is known; else it has its number in the file.</summary>
    internal bool IsNamed { get; set; }

    /// <summary>Whether its name is known for sure: not by what a part of a layer of one's own is called.</summary>
    internal bool IsNameSure { get; set; }

    /// <summary>Whether the names of the layers in its path are Keras's.</summary>
    internal bool IsPathKnown { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{Location}: {Variable}{(IsTrainable ? "" : ", not trained")}";
}
