using Infinorm.Torch;
using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Graph;

/// <summary>Norms of vectors along an axis, and of matrices along two: <c>keras.ops.norm</c>.</summary>
static class Norms
{
    /// <summary>The norm.</summary>
    /// <param name="x">Floating point.</param>
    /// <param name="order">A number, fro, nuc or null.</param>
    /// <param name="axes">From the front.</param>
    /// <param name="keepsAxes">Whether the axes stay, with the length 1.</param>
    public static Tensor Of(Tensor x, object? order, long[] axes, bool keepsAxes)
    {
        if (order is null)
            return x.Squared().sum(axes, keepsAxes).sqrt();
        Tensor norm = axes switch
        {
            [var axis] when OperationArguments.AsNumber(order) is { } number => OfVectors(x, number, axis),
            [var row, var column] => OfMatrices(x, order, row, column),
            _ => throw new InvalidOperationException($"Norm: the order {order} of {axes.Length} axes is not supported."),
        };
        return keepsAxes ? norm : norm.view([.. x.shape.Where((_, axis) => !axes.Contains(axis))]);
    }

    // The axes stay, with the length 1.
    static Tensor OfVectors(Tensor x, double order, long axis) => order switch
    {
        double.PositiveInfinity => x.abs().amax([axis], keepdim: true),
        double.NegativeInfinity => x.abs().amin([axis], keepdim: true),
        0 => x.ne(Constant(0)).to(x.dtype).sum([axis], keepdim: true),
        1 => x.abs().sum([axis], keepdim: true),
        2 => x.Squared().sum([axis], keepdim: true).sqrt(),
        _ => x.abs().pow(Constant(order)).sum([axis], keepdim: true).pow(Constant(1 / order)),
    };

    static Tensor OfMatrices(Tensor x, object order, long row, long column)
    {
        return (order, OperationArguments.AsNumber(order)) switch
        {
            ("fro", _) => x.Squared().sum([row, column], keepdim: true).sqrt(),
            ("nuc", _) => Singular().sum([-1]).view(Reduced()),
            (_, double.PositiveInfinity) => x.abs().sum([column], keepdim: true).amax([row], keepdim: true),
            (_, double.NegativeInfinity) => x.abs().sum([column], keepdim: true).amin([row], keepdim: true),
            (_, 1) => x.abs().sum([row], keepdim: true).amax([column], keepdim: true),
            (_, -1) => x.abs().sum([row], keepdim: true).amin([column], keepdim: true),
            (_, 2) => Singular().amax([-1]).view(Reduced()),
            (_, -2) => Singular().amin([-1]).view(Reduced()),
            _ => throw new InvalidOperationException($"Norm: the order {order} of matrices is not supported."),
        };

        Tensor Singular() => linalg.svdvals(x.movedim([row, column], [-2, -1]));

        long[] Reduced() => [.. x.shape.Select((size, axis) => axis == row || axis == column ? 1 : size)];
    }
}
