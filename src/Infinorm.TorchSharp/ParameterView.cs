using TorchSharp;
using TorchSharp.Modules;

namespace Infinorm.Torch;

/// <summary>One CPU parameter as an optimizer's variable, and its gradient of the present step.</summary>
sealed class ParameterView : IDisposable
{
    readonly string _name;
    readonly bool _looksNatively;
    readonly torch.ScalarType _dtype;
    readonly long[] _shape;
    readonly long _length;
    readonly TensorMemory _memory;
    readonly torch.Tensor? _copy; // steps in place of a parameter that is not contiguous
    TensorMemory? _gradientMemory;

    // One of them keeps the memory of this step's gradient alive.
    torch.Tensor? _gradient;
    nint _gradientHandle;

    /// <param name="name">Its name in the model.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="looksNatively">Whether to find what lies plainly in memory through <see cref="NativeTensor"/>.</param>
    public ParameterView(string name, Parameter parameter, bool looksNatively)
    {
        _name = name;
        _looksNatively = looksNatively;
        Parameter = parameter;
        CheckPlace();
        _dtype = parameter.dtype;
        _shape = parameter.shape;
        _length = parameter.numel();
        if (!parameter.is_contiguous())
        {
            using torch.Tensor detached = parameter.detach();
            _copy = detached.contiguous().DetachFromDisposeScope();
        }

        _memory = TensorMemory.Of(name, _copy ?? parameter, parameter);
        Variable = _memory.AsVariable(name.Replace('.', '/'), _shape);
    }

    public Parameter Parameter { get; }

    public Variable Variable { get; }

    /// <summary>Finds the parameter where it is now.</summary>
    /// <exception cref="InvalidOperationException">The parameter was disposed, moved or changed since the optimizer was made.</exception>
    public void Locate()
    {
        if (_copy is null && _looksNatively && !Parameter.IsInvalid
            && NativeTensor.IsPlain(Parameter.Handle, (sbyte)_dtype, _length))
        {
            _memory.Address = NativeTensor.THSTensor_data(Parameter.Handle);
            return;
        }

        CheckPlace();
        if (Parameter.dtype != _dtype || !Parameter.shape.AsSpan().SequenceEqual(_shape))
        {
            throw new InvalidOperationException(
                $"{_name}: the parameter is {Parameter.dtype}[{string.Join(", ", Parameter.shape)}], "
                + $"it was {_dtype}[{string.Join(", ", _shape)}] when the optimizer was made.");
        }

        if (_copy is null && !Parameter.is_contiguous())
            throw new InvalidOperationException($"{_name}: the parameter is no longer contiguous, as it was when the optimizer was made.");
        if (_copy is not null)
            Copy(Parameter, _copy);
        _memory.View(_copy ?? Parameter);
    }

    /// <summary>Brings a parameter that is not contiguous up to date with its variable.</summary>
    public void Store()
    {
        if (_copy is not null)
            Copy(_copy, Parameter);
    }

    /// <summary>The gradient where it is now, kept until it is released.</summary>
    public Gradient FetchGradient()
    {
        if (_looksNatively)
        {
            _gradientHandle = NativeTensor.THSTensor_grad(Parameter.Handle);
            if (_gradientHandle == 0)
                return default;
            if (_gradientMemory is not null && NativeTensor.IsPlain(_gradientHandle, (sbyte)_dtype, _length))
            {
                _gradientMemory.Address = NativeTensor.THSTensor_data(_gradientHandle);
                return _gradientMemory.AsGradient();
            }

            ReleaseGradient();
        }

        _gradient = Parameter.grad;
        if (_gradient is null)
            return default;
        if (_gradient.is_sparse)
            return FetchRows();

        MakeContiguous();
        if (_gradient.dtype != _dtype)
            throw new InvalidOperationException($"{_name}: the gradient is of type {_gradient.dtype}, the parameter of {_dtype}.");
        _gradientMemory ??= TensorMemory.Of(_name, _gradient);
        _gradientMemory.View(_gradient);
        return _gradientMemory.AsGradient();
    }

    /// <summary>Lets the gradient go.</summary>
    public void ReleaseGradient()
    {
        _gradient?.Dispose();
        _gradient = null;
        if (_gradientHandle == 0)
            return;
        NativeTensor.THSTensor_dispose(_gradientHandle);
        _gradientHandle = 0;
    }

    /// <summary>Frees the copy of a parameter that is not contiguous.</summary>
    public void Dispose() => _copy?.Dispose();

    Gradient FetchRows()
    {
        using torch.Tensor indices = _gradient!.SparseIndices;
        if (indices.shape[0] != 1)
            throw new NotSupportedException($"{_name}: the sparse gradient has {indices.shape[0]} sparse axes; only rows are supported.");
        using torch.Tensor rows = indices.to_type(torch.ScalarType.Int32);
        torch.Tensor values = _gradient.SparseValues;
        _gradient.Dispose();
        _gradient = values;
        MakeContiguous();
        return TensorMemory.Of(_name, values).AsRows(rows.data<int>().ToArray());
    }

    void MakeContiguous()
    {
        if (_gradient!.is_contiguous())
            return;
        torch.Tensor contiguous = _gradient.contiguous();
        _gradient.Dispose();
        _gradient = contiguous;
    }

    // Recorded for a backward pass, each step would keep the last one's tensors alive.
    static void Copy(torch.Tensor from, torch.Tensor to)
    {
        using var noGrad = torch.no_grad();
        to.copy_(from);
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
