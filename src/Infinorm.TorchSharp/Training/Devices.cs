using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>Where tensors are.</summary>
static class Devices
{
    /// <summary>Whether a tensor is on a device; one without a number stands for each of its kind.</summary>
    public static bool IsOn(this Tensor tensor, Device device) =>
        tensor.device_type == device.type && (device.index < 0 || tensor.device_index == device.index);

    /// <summary>The device of a model's first parameter or buffer; the CPU where it has none.</summary>
    public static Device Of(nn.Module model) => TensorsOf(model).FirstOrDefault().Tensor?.device ?? CPU;

    /// <exception cref="ArgumentException">A parameter or buffer of the model is elsewhere.</exception>
    public static void RequireOn(nn.Module model, Device device, string argument)
    {
        foreach (var (name, tensor) in TensorsOf(model))
        {
            if (!tensor.IsOn(device))
            {
                throw new ArgumentException(
                    $"The model's {name} is on {tensor.device}, the data are to go to {device}. Move the model before its optimizer is "
                    + "made: model.to(device).", argument);
            }
        }
    }

    static IEnumerable<(string Name, Tensor Tensor)> TensorsOf(nn.Module model) => model.named_parameters()
        .Select(named => (named.name, (Tensor)named.parameter))
        .Concat(model.named_buffers().Select(named => (named.name, named.buffer)));
}
