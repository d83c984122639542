using Infinorm.Execution;
using TorchSharp;

namespace Infinorm.Torch;

/// <summary>The buffers of a model, such as running means, on several ranks.</summary>
static class SharedBuffers
{
    /// <summary>Gives all ranks the buffers of rank 0.</summary>
    public static void Broadcast(torch.nn.Module model, World world)
    {
        using var noGradient = torch.no_grad();
        foreach ((_, torch.Tensor buffer) in model.named_buffers())
        {
            if (buffer.IsInvalid || buffer.NumberOfElements == 0)
                continue;
            using torch.Tensor onCpu = buffer.cpu();
            using torch.Tensor whole = onCpu.contiguous();
            world.Broadcast(whole.bytes, root: 0);
            buffer.copy_(whole);
        }
    }
}
