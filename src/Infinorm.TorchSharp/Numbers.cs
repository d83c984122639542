using TorchSharp;
using static TorchSharp.torch;

namespace Infinorm.Torch;

/// <summary>
/// Numbers that go into libtorch and come out of it. TorchSharp makes an object of each, a <see cref="Scalar"/> whose finalizer frees it, and
/// does not keep it alive during the call: where garbage is collected on another thread meanwhile, libtorch reads what was freed, and goes on
/// with another number or fails. Here each lives until it was read.
/// </summary>
static class Numbers
{
    /// <summary>The element of a tensor that has one.</summary>
    public static double ToNumber(this Tensor tensor)
    {
        using Scalar number = tensor.ToScalar();
        return number.ToDouble();
    }

    /// <summary>The element of a tensor of integers that has one.</summary>
    public static long ToInteger(this Tensor tensor)
    {
        using Scalar number = tensor.ToScalar();
        return number.ToInt64();
    }

    /// <summary>The sum of two tensors. TorchSharp's own makes a number, too: the 1 that the second one is multiplied by.</summary>
    public static Tensor Plus(this Tensor left, Tensor right)
    {
        using Scalar one = 1.ToScalar();
        return left.add(right, one);
    }

    /// <summary>Adds a tensor to another in place.</summary>
    public static void Increase(this Tensor target, Tensor other)
    {
        using Scalar one = 1.ToScalar();
        target.add_(other, one);
    }

    /// <summary>What an operation makes of a tensor and a number.</summary>
    public static Tensor With(this Tensor tensor, double number, Func<Tensor, Scalar, Tensor> operation)
    {
        using Scalar scalar = number.ToScalar();
        return operation(tensor, scalar);
    }
}
