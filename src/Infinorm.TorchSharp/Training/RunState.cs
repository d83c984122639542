using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Infinorm.Torch.Training;

/// <summary>The position of a run, apart from its tensors. It is stored as JSON in the metadata of the file.</summary>
sealed record RunState
{
    /// <summary>The version that this release writes and reads.</summary>
    public const int PresentVersion = 1;

    public required int Version { get; init; }

    public required long Seed { get; init; }

    public required int Epoch { get; init; }

    public required int Batch { get; init; }

    public required long Steps { get; init; }

    public required long SkippedSteps { get; init; }

    public required double LearningRate { get; init; }

    public required string? StopReason { get; init; }

    /// <summary>Epochs that counted as completed when the run began.</summary>
    public int InitialEpoch { get; init; }

    /// <summary>Batches of the present pass through the data; null where epochs are passes, so that it is <see cref="Batch"/>.</summary>
    public int? Position { get; init; }

    /// <summary>Batches of an epoch that is no pass through the data; null where it is.</summary>
    public int? StepsPerEpoch { get; init; }

    /// <summary>After how many epochs there is a validation.</summary>
    public int ValidateEvery { get; init; } = 1;

    /// <summary>Batches of an epoch; null where that is not known.</summary>
    public int? BatchesPerEpoch { get; init; }

    /// <summary>What the run is trained with; null where that is not known.</summary>
    public string? Data { get; init; }

    /// <summary>Names of the metrics, in the order of their sums.</summary>
    public required string[] Metrics { get; init; }

    /// <summary>Names of the history's values.</summary>
    public required string[] Columns { get; init; }

    /// <summary>What callbacks remember besides tensors.</summary>
    public required Dictionary<string, JsonObject> Callbacks { get; init; }
}

/// <summary>Reads and writes it without reflection.</summary>
[JsonSourceGenerationOptions(AllowDuplicateProperties = false, MaxDepth = 32)]
[JsonSerializable(typeof(RunState))]
sealed partial class RunStateJson : JsonSerializerContext;
