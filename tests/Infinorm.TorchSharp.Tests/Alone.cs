namespace Infinorm.Torch.Tests;

/// <summary>Runs while no other test does: torch has one generator for the whole process, and memory is counted for all of it.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
