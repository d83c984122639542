namespace Infinorm.Fuzz;

/// <summary>A reader that is fed with mutated inputs. A new one is a class like this and a line in Program.cs.</summary>
abstract class FuzzTarget
{
    /// <summary>Its name in the report.</summary>
    public abstract string Name { get; }

    /// <summary>Sound inputs, which are mutated.</summary>
    public abstract IReadOnlyList<byte[]> Seeds { get; }

    /// <summary>An input. A target that knows its format can mutate one part and keep the rest sound.</summary>
    public virtual byte[] MakeInput(Mutator mutator) => mutator.Mutate(mutator.Pick(Seeds));

    /// <summary>Reads an input.</summary>
    /// <returns>Whether it was accepted; false if the reader refused it with the exception it documents. Any other exception is a bug.</returns>
    public abstract bool Read(byte[] input);
}
