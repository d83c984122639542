using TorchSharp;
using TorchSharp.Modules;

namespace Infinorm.Torch;

/// <summary>One parameter as an optimizer's variable, and its gradient of the present step.</summary>
sealed class ParameterView : IDisposable
{
    readonly string _name;
    readonly torch.ScalarType _dtype;
    readonly long[] _shape;
    readonly TensorMemory _memory;
    readonly torch.Tensor? _contiguous; // steps in place of a parameter that is not contiguous
    TensorMemory? _gradientMemory;
    torch.Tensor? _gradient; // keeps the memory of this step's gradient alive

    public ParameterView(string name, Parameter parameter)
    {
        _name = name;
        Parameter = parameter;
        CheckPlace();
        _dtype = parameter.dtype;
        _shape = parameter.shape;
        if (!parameter.is_contiguous())
        {
            using var noGrad = torch.no_grad();
            _contiguous = parameter.contiguous().detach().DetachFromDisposeScope();
        }

        _memory = TensorMemory.Of(name, _contiguous ?? parameter);
        Variable = _memory.AsVariable(name.Replace('.', '/'), _shape);
    }

    public Parameter Parameter { get; }

    public Variable Variable { get; }

    /// <summary>Finds the parameter and its gradient where they are now.</summary>
    /// <exception cref="InvalidOperationException">The parameter was disposed, moved or changed since the optimizer was made.</exception>
    public Gradient Fetch()
    {
        CheckPlace();
        if (Parameter.dtype != _dtype || !Parameter.shape.AsSpan().SequenceEqual(_shape))
            throw new InvalidOperationException($"{_name}: the parameter's type or shape is another than when the optimizer was made.");
        if (_contiguous is null && !Parameter.is_contiguous())
            throw new InvalidOperationException($"{_name}: the parameter is no longer contiguous, as it was when the optimizer was made.");

        _contiguous?.copy_(Parameter);
        _memory.View(_contiguous ?? Parameter);
        _gradient = Parameter.grad;
        if (_gradient is null)
            return default;
        if (_gradient.is_sparse)
            return FetchRows(_gradient);

        HoldContiguous(_gradient);
        if (_gradient.dtype != _dtype)
            throw new InvalidOperationException($"{_name}: the gradient is of type {_gradient.dtype}, the parameter of {_dtype}.");
        _gradientMemory ??= TensorMemory.Of(_name, _gradient);
        _gradientMemory.View(_gradient);
        return _gradientMemory.AsGradient();
    }

    /// <summary>Lets the gradient go; after a step, brings a parameter that is not contiguous up to date.</summary>
    public void Release(bool stepped)
    {
        _gradient?.Dispose();
        _gradient = null;
        if (stepped && _contiguous is not null)
            Parameter.copy_(_contiguous);
    }

    public void Dispose() => _contiguous?.Dispose();

    Gradient FetchRows(torch.Tensor sparse)
    {
        using torch.Tensor indices = sparse.SparseIndices;
        if (indices.shape[0] != 1)
            throw new InvalidOperationException($"{_name}: the sparse gradient has {indices.shape[0]} sparse axes; only rows are supported.");
        using torch.Tensor rows = indices.to_type(torch.ScalarType.Int32);
        torch.Tensor values = sparse.SparseValues;
        sparse.Dispose();
        HoldContiguous(values);
        return TensorMemory.Of(_name, _gradient!).AsRows(rows.data<int>().ToArray());
    }

    void HoldContiguous(torch.Tensor gradient)
    {
        _gradient = gradient.is_contiguous() ? gradient : gradient.contiguous();
        if (!ReferenceEquals(_gradient, gradient))
            gradient.Dispose();
    }

    void CheckPlace()
    {
        if (Parameter.IsInvalid)
        {
            throw new InvalidOperationException(
                $"{_name}: the parameter was disposed, or replaced by moving the model; make the optimizer after moving it.");
        }

        if (Parameter.device_type != DeviceType.CPU)
            throw new NotSupportedException($"{_name}: the parameter is on {Parameter.device}; only CPU tensors are supported.");
    }
}
