using TorchSharp;
using static TorchSharp.torch;

namespace Infinorm.Torch;

/// <summary>
/// Numbers that go into libtorch and come out of it. TorchSharp makes an object of each, a <see cref="Scalar"/> whose finalizer frees it, and
/// does not keep it alive during the call: if another thread collects garbage meanwhile, libtorch reads freed memory, and continues
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

    /// <summary>What an operation makes of a tensor and a number.</summary>
    public static Tensor With(this Tensor tensor, double number, Func<Tensor, Scalar, Tensor> operation)
    {
        using Scalar scalar = number.ToScalar();
        return operation(tensor, scalar);
    }

    /// <summary>The sum of two tensors, the second times 1: a number that TorchSharp would make itself.</summary>
    public static Tensor Plus(this Tensor left, Tensor right) => left.With(1, (values, one) => values.add(right, one));

    /// <summary>Adds a tensor to this one.</summary>
    public static void Increase(this Tensor tensor, Tensor by) => tensor.With(1, (values, one) => values.add_(by, one));
}
