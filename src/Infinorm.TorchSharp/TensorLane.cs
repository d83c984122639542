using System.Numerics;
using Infinorm.Kernels;
using Infinorm.Rules;
using TorchSharp;

namespace Infinorm.Torch;

/// <summary>A lane whose elements are a tensor's.</summary>
interface ITensorLane
{
    /// <summary>The elements; null where all are one number.</summary>
    torch.Tensor? Tensor { get; }

    /// <summary>Sets a tensor's elements to the lane's, rounded once to its type.</summary>
    void StoreIn(torch.Tensor target);
}

/// <summary>
/// A piece of a tensor, or one number, as a lane: so every rule and every stage's formula runs as tensor operations, as it is written.
/// An operation makes a new tensor, which belongs to the dispose scope around it.
/// </summary>
readonly struct TensorLane<T> : ILane<TensorLane<T>>, ITensorLane
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    readonly T _number;

    public TensorLane(torch.Tensor tensor) => Tensor = tensor;

    TensorLane(T number) => _number = number;

    public torch.Tensor? Tensor { get; }

    public static bool IsDouble => typeof(T) == typeof(double);

    double Number => double.CreateTruncating(_number);

    public static TensorLane<T> operator +(TensorLane<T> left, TensorLane<T> right) => (left.Tensor, right.Tensor) switch
    {
        (null, null) => new(left._number + right._number),
        (null, { } tensor) => right + left,
        ({ } tensor, null) => With(tensor, -right, static (values, number) => values.sub(number)), // add takes a second number
        ({ } a, { } b) => new(a.Plus(b)),
    };

    public static TensorLane<T> operator -(TensorLane<T> left, TensorLane<T> right) => (left.Tensor, right.Tensor) switch
    {
        (null, null) => new(left._number - right._number),
        (null, { } tensor) => With(tensor, left, static (values, number) => values.sub(number).neg_()),
        ({ } tensor, null) => With(tensor, right, static (values, number) => values.sub(number)),
        ({ } a, { } b) => new(a.sub(b)),
    };

    public static TensorLane<T> operator *(TensorLane<T> left, TensorLane<T> right) => (left.Tensor, right.Tensor) switch
    {
        (null, null) => new(left._number * right._number),
        (null, { } tensor) => right * left,
        ({ } tensor, null) => With(tensor, right, static (values, number) => values.mul(number)),
        ({ } a, { } b) => new(a.mul(b)),
    };

    public static TensorLane<T> operator /(TensorLane<T> left, TensorLane<T> right) => (left.Tensor, right.Tensor) switch
    {
        (null, null) => new(left._number / right._number),
        (null, { } tensor) => new(left.ToTensor().div(tensor)),
        ({ } tensor, null) => With(tensor, right, static (values, number) => values.div(number)),
        ({ } a, { } b) => new(a.div(b)),
    };

    public static TensorLane<T> operator -(TensorLane<T> value) => value.Tensor is null ? new(-value._number) : new(value.Tensor.neg());

    public static TensorLane<T> Max(TensorLane<T> left, TensorLane<T> right) => left.Tensor is null && right.Tensor is null
        ? new(T.Max(left._number, right._number))
        : new(left.ToTensor().maximum(right.ToTensor()));

    public static TensorLane<T> Min(TensorLane<T> left, TensorLane<T> right) => left.Tensor is null && right.Tensor is null
        ? new(T.Min(left._number, right._number))
        : new(left.ToTensor().minimum(right.ToTensor()));

    public static TensorLane<T> Abs(TensorLane<T> value) =>
        value.Tensor is null ? new(T.Abs(value._number)) : new(value.Tensor.abs());

    public static TensorLane<T> Sqrt(TensorLane<T> value) =>
        value.Tensor is null ? new(T.Sqrt(value._number)) : new(value.Tensor.sqrt());

    public static TensorLane<T> SelectGreater(TensorLane<T> left, TensorLane<T> right, TensorLane<T> whenGreater, TensorLane<T> otherwise) =>
        left.Tensor is null && right.Tensor is null
            ? left._number > right._number ? whenGreater : otherwise
            : new(torch.where(left.ToTensor().gt(right.ToTensor()), whenGreater.ToTensor(), otherwise.ToTensor()));

    public static TensorLane<T> Pow(TensorLane<T> value, double exponent)
    {
        bool isRoot = exponent == 0.5;
        if (value.Tensor is null)
            return isRoot ? Sqrt(value) : new(ElementPower.Of(value._number, exponent));
        torch.Tensor wide = value.Tensor.to(torch.ScalarType.Float64);
        torch.Tensor power = isRoot ? wide.sqrt() : wide.With(Of(exponent).Number, static (values, number) => values.pow(number));
        return new(power.to(value.Tensor.dtype));
    }

    public static TensorLane<T> Of(double value) => new(T.CreateTruncating(value));

    public static TensorLane<T> Pow(double value, long exponent) => new(IntegerPower.Of<T>(value, exponent));

    public static double Sum(TensorLane<T> value)
    {
        using torch.Tensor sum = value.ToTensor().sum(torch.ScalarType.Float64);
        return sum.ToNumber();
    }

    public void StoreIn(torch.Tensor target)
    {
        if (Tensor is not null)
        {
            target.copy_(Tensor);
            return;
        }

        target.With(Number, static (values, number) => values.fill_(number));
    }

    // A tensor without axes, on the CPU, takes part in operations on every device.
    torch.Tensor ToTensor() => Tensor ?? torch.tensor(Number, IsDouble ? torch.ScalarType.Float64 : torch.ScalarType.Float32);

    static TensorLane<T> With(torch.Tensor tensor, TensorLane<T> lane, Func<torch.Tensor, Scalar, torch.Tensor> operation) =>
        new(tensor.With(lane.Number, operation));
}

/// <summary>Tensors as lanes of a type that only the caller's caller knows, and back.</summary>
static class TensorLanes
{
    public static L Of<L>(torch.Tensor tensor)
        where L : struct, ILane<L> =>
        L.IsDouble ? (L)(object)new TensorLane<double>(tensor) : (L)(object)new TensorLane<float>(tensor);

    /// <summary>The lane's elements; null where all are one number.</summary>
    public static torch.Tensor? TensorOf<L>(L lane)
        where L : struct, ILane<L> => ((ITensorLane)(object)lane).Tensor;

    /// <summary>Sets a tensor's elements to the lane's.</summary>
    public static void Store<L>(L lane, torch.Tensor target)
        where L : struct, ILane<L>
    {
        var values = (ITensorLane)(object)lane;
        if (!ReferenceEquals(values.Tensor, target))
            values.StoreIn(target);
    }
}
