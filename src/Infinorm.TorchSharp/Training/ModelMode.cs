using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>
/// Puts a model into training or evaluation mode and, when disposed, every part of it back into the mode it was in. A model that trains is
/// left as it is for training, so that parts that its owner put into evaluation mode, as frozen normalisation, stay in it.
/// </summary>
sealed class ModelMode : IDisposable
{
    readonly (nn.Module Module, bool Training)[] _before;

    public ModelMode(nn.Module model, bool training)
    {
        _before = [.. model.modules().Prepend(model).Select(module => (module, module.training))];
        if (model.training != training || !training)
            model.train(training);
    }

    // Parents come before their children, and hand their mode down.
    public void Dispose()
    {
        foreach (var (module, training) in _before)
            module.train(training);
    }
}
