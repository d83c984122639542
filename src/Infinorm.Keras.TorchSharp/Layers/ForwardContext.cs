using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers;

/// <summary>What one pass through a model carries besides tensors: its mode, masks, and losses that layers add.</summary>
sealed class ForwardContext
{
    readonly Dictionary<Tensor, Tensor> _masks;
    readonly List<Tensor> _losses;

    public ForwardContext(bool training)
        : this(training, new(ReferenceEqualityComparer.Instance), [])
    {
    }

    ForwardContext(bool training, Dictionary<Tensor, Tensor> masks, List<Tensor> losses) =>
        (Training, _masks, _losses) = (training, masks, losses);

    /// <summary>Told what each layer gave; null for nobody.</summary>
    public Action<KerasLayer, object>? Observe { get; init; }

    /// <summary>Whether the pass is for training.</summary>
    public bool Training { get; }

    /// <summary>What layers added to the loss.</summary>
    public IReadOnlyList<Tensor> Losses => _losses;

    /// <summary>The same pass in another mode.</summary>
    public ForwardContext In(bool training) => training == Training ? this : new(training, _masks, _losses) { Observe = Observe };

    public void AddLoss(Tensor loss) => _losses.Add(loss);

    /// <summary>The mask that travels with a tensor; null for none.</summary>
    public Tensor? MaskOf(Tensor tensor) => _masks.GetValueOrDefault(tensor);

    /// <summary>Gives a tensor a mask, or takes it away.</summary>
    public void SetMask(Tensor tensor, Tensor? mask)
    {
        if (mask is null)
            _masks.Remove(tensor);
        else
            _masks[tensor] = mask;
    }
}
