using System.Collections.Concurrent;
using TorchSharp;
using static TorchSharp.torch;

namespace Infinorm.Torch;

/// <summary>
/// Numbers that go into libtorch and come out of it. TorchSharp makes an object of each, a <see cref="Scalar"/> whose finalizer frees it, and
/// does not keep it alive during the call: if another thread collects garbage meanwhile, libtorch reads freed memory, and continues
/// with another number or fails. Here each lives until it was read. Operators such as <c>x + y</c> and <c>x * 2</c> make such numbers too:
/// <see cref="Plus(Tensor, Tensor)"/>, <see cref="Times(Tensor, double)"/> and the like stand in for them.
/// </summary>
static class Numbers
{
    static readonly ConcurrentDictionary<double, Scalar> Doubles = new();
    static readonly ConcurrentDictionary<long, Scalar> Longs = new();

    /// <summary>A number that is kept for good: a setting, a size. Numbers of data would pile up here.</summary>
    public static Scalar Constant(double number) => Doubles.GetOrAdd(number, value => value.ToScalar());

    /// <inheritdoc cref="Constant(double)"/>
    public static Scalar Constant(long number) => Longs.GetOrAdd(number, value => value.ToScalar());

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

    /// <summary>The element of a tensor of truth values that has one.</summary>
    public static bool ToTruth(this Tensor tensor)
    {
        using Scalar number = tensor.ToScalar();
        return number.ToBoolean();
    }

    /// <summary>What an operation makes of a tensor and a number.</summary>
    public static Tensor With(this Tensor tensor, double number, Func<Tensor, Scalar, Tensor> operation)
    {
        using Scalar scalar = number.ToScalar();
        return operation(tensor, scalar);
    }

    /// <summary>The sum of two tensors, the second times 1: a number that TorchSharp would make itself.</summary>
    public static Tensor Plus(this Tensor left, Tensor right) => left.add(right, Constant(1));

    /// <summary>The sum of a tensor and a setting.</summary>
    public static Tensor Plus(this Tensor left, double right) => left.add(Constant(right), Constant(1));

    /// <inheritdoc cref="Plus(Tensor, double)"/>
    public static Tensor Plus(this Tensor left, long right) => left.add(Constant(right), Constant(1));

    /// <summary>The difference of two tensors.</summary>
    public static Tensor Minus(this Tensor left, Tensor right) => left.add(right, Constant(-1));

    /// <summary>The difference of a tensor and a setting.</summary>
    public static Tensor Minus(this Tensor left, double right) => left.Plus(-right);

    /// <inheritdoc cref="Minus(Tensor, double)"/>
    public static Tensor Minus(this Tensor left, long right) => left.Plus(-right);

    /// <summary>The difference of a setting and a tensor.</summary>
    public static Tensor SubtractedFrom(this Tensor right, double left) => right.neg().Plus(left);

    /// <summary>A tensor times a setting.</summary>
    public static Tensor Times(this Tensor left, double right) => left.mul(Constant(right));

    /// <inheritdoc cref="Times(Tensor, double)"/>
    public static Tensor Times(this Tensor left, long right) => left.mul(Constant(right));

    /// <summary>A tensor divided by a setting.</summary>
    public static Tensor Over(this Tensor left, double right) => left.div(Constant(right));

    /// <summary>The squares of the elements.</summary>
    public static Tensor Squared(this Tensor tensor) => tensor.pow(Constant(2));

    /// <summary>ln(1 + eˣ) of the elements. As torch has it: x itself above 20.</summary>
    public static Tensor SoftPlus(this Tensor tensor) => where(tensor.gt(Constant(20)), tensor, tensor.clamp_max(Constant(20)).exp().log1p());

    /// <summary>The whole numbers from one to below another.</summary>
    public static Tensor Range(long start, long end, ScalarType type = ScalarType.Int64) => arange(Constant(start), Constant(end), Constant(1), dtype: type);

    /// <summary>Adds a tensor to this one.</summary>
    public static void Increase(this Tensor tensor, Tensor by) => tensor.add_(by, Constant(1));
}
