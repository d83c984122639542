using System.Buffers;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Execution.Memory;

/// <summary>What must hold of the memory of variables.</summary>
static unsafe class VariableMemory
{
    /// <summary>Sorted by address, only neighbours can overlap; pinned, addresses hold while they are compared.</summary>
    /// <exception cref="ArgumentException">Two overlap.</exception>
    public static void CheckDisjoint(ReadOnlySpan<Variable> variables)
    {
        var places = new List<(nint Start, nint End, Variable Variable)>();
        var pins = new List<MemoryHandle>();
        try
        {
            foreach (Variable variable in variables)
            {
                if (variable.Length == 0)
                    continue;
                pins.Add(variable.Pin());
                var start = (nint)pins[^1].Pointer;
                places.Add((start, start + ((nint)variable.Length * variable.DType.Size()), variable));
            }

            places.Sort((a, b) => a.Start.CompareTo(b.Start));
            for (int i = 1; i < places.Count; i++)
            {
                if (places[i].Start < places[i - 1].End)
                {
                    throw new ArgumentException(
                        $"{places[i].Variable.Path} and {places[i - 1].Variable.Path} overlap in memory; each variable needs its own.");
                }
            }
        }
        finally
        {
            foreach (MemoryHandle pin in pins)
                pin.Dispose();
        }
    }
}
