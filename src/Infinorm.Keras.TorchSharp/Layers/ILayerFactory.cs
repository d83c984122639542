using System.Text.Json.Nodes;

namespace Infinorm.Keras.Torch.Layers;

/// <summary>Makes layers from their configs, and takes note of what is not known.</summary>
interface ILayerFactory
{
    /// <summary>Makes a layer; one that cannot be made is reported, and a placeholder stands in for it.</summary>
    /// <param name="serialized">As Keras wrote it.</param>
    /// <param name="parentPath">The path of what it is in; null for the whole model.</param>
    /// <param name="name">Its name, where that is not in its config.</param>
    KerasLayer Create(JsonObject serialized, string? parentPath, string? name = null);

    /// <summary>Takes note of something that is not known.</summary>
    /// <param name="path">Where it stands; empty for the model itself.</param>
    /// <param name="className">Its class.</param>
    /// <param name="problem">What is wrong, and what to do.</param>
    void Report(string path, string className, string problem);
}
