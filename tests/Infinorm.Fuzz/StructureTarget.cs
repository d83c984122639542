using Infinorm.Checkpoints;
using Infinorm.Keras;
using Infinorm.Tests;

namespace Infinorm.Fuzz;

/// <summary>Keras files that are made to cost the most for their size. They are not damaged at random; only their sizes are.</summary>
/// <param name="name">Its name in the report.</param>
/// <param name="megabytes">The size of the largest.</param>
sealed class StructureTarget(string name, int megabytes) : FuzzTarget
{
    public override string Name => name;

    public override IReadOnlyList<byte[]> Seeds => [];

    public override byte[] MakeInput(Mutator mutator) =>
        mutator.Pick([.. HostileFiles.All.Values])((megabytes << 20) >> mutator.Pick([0, 0, 1, 3, 8]));

    public override bool Read(byte[] input)
    {
        try
        {
            KerasArchive archive = KerasArchive.Open("input", new MemoryStream(input));
            return archive.Weights.Count + archive.Locations.Count >= 0;
        }
        catch (InvalidFileException)
        {
            return false;
        }
    }
}
