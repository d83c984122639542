using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Graph;

/// <summary>An input of a model.</summary>
/// <param name="Key">The name of the input layer.</param>
/// <param name="Shape">Its shape with the batch, -1 where it is not fixed; null where it is not known.</param>
/// <param name="DType">The type that values are converted to.</param>
sealed record GraphInput((string Name, int Call) Key, long[]? Shape, ScalarType DType)
{
    /// <summary>The value as Keras takes it: converted, and with an axis of length 1 at the end added or dropped where that is missing or too much.</summary>
    public Tensor Fit(Tensor given)
    {
        Tensor value = given.dtype == DType ? given : given.to(DType);
        if (Shape is null)
            return value;
        if (value.dim() == Shape.Length + 1 && value.shape[^1] == 1)
            value = value.squeeze(-1);
        else if (value.dim() == Shape.Length - 1 && Shape[^1] == 1)
            value = value.unsqueeze(-1);
        long[] found = value.shape;
        bool fits = found.Length == Shape.Length;
        for (int i = 1; fits && i < found.Length; i++)
            fits = Shape[i] < 0 || Shape[i] == found[i];
        return fits
            ? value
            : throw new ArgumentException(
                $"The input {Key.Name} should have the shape [{string.Join(", ", Shape.Select(size => size < 0 ? "any" : size.ToString(System.Globalization.CultureInfo.InvariantCulture)))}], "
                + $"found [{string.Join(", ", given.shape)}].");
    }
}
