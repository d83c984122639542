using Infinorm.Variables;
using TorchSharp;
using TorchSharp.Modules;

namespace Infinorm.Torch;

/// <summary>One parameter as an optimizer's variable, and its gradient of the present step.</summary>
abstract class OptimizedParameter : IDisposable
{
    readonly torch.ScalarType _dtype;
    readonly long[] _shape;
    readonly string _device;

    /// <param name="name">Its name in the model.</param>
    /// <param name="parameter">The parameter.</param>
    protected OptimizedParameter(string name, Parameter parameter)
    {
        Name = name;
        Parameter = parameter;
        CheckValid();
        _dtype = parameter.dtype;
        _shape = parameter.shape;
        _device = parameter.device.ToString();
        Length = parameter.numel();
        if (Length > Array.MaxLength)
            throw new NotSupportedException($"{name}: the parameter has {Length} elements; at most {Array.MaxLength} are supported.");
    }

    public Parameter Parameter { get; }

    public abstract Variable Variable { get; }

    protected string Name { get; }

    protected long Length { get; }

    /// <summary>The variable's path: the parameter's name with <c>/</c> for <c>.</c></summary>
    protected string Path => Name.Replace('.', '/');

    /// <summary>The gradient of this step, which keeps its memory alive until it is released.</summary>
    protected torch.Tensor? Gradient { get; set; }

    /// <summary>Finds the parameter where it is now.</summary>
    /// <exception cref="InvalidOperationException">The parameter was disposed, moved or changed since the optimizer was made.</exception>
    public abstract void Locate();

    /// <summary>The gradient where it is now, kept until it is released.</summary>
    public abstract Gradient FetchGradient();

    /// <summary>Lets the gradient go.</summary>
    public virtual void ReleaseGradient()
    {
        Gradient?.Dispose();
        Gradient = null;
    }

    /// <summary>Brings a parameter that is stepped elsewhere up to date with its variable.</summary>
    public virtual void WriteBack()
    {
    }

    /// <summary>Frees what was made for the parameter.</summary>
    public virtual void Dispose()
    {
    }

    /// <exception cref="InvalidOperationException">The parameter is not as it was when the optimizer was made.</exception>
    protected void CheckUnchanged()
    {
        CheckValid();
        if (Parameter.dtype == _dtype && Parameter.shape.AsSpan().SequenceEqual(_shape) && Parameter.device.ToString() == _device)
            return;
        throw new InvalidOperationException(
            $"{Name}: the parameter is {Parameter.dtype}[{string.Join(", ", Parameter.shape)}] on {Parameter.device}, "
            + $"it was {_dtype}[{string.Join(", ", _shape)}] on {_device} when the optimizer was made.");
    }

    protected void CheckGradientType()
    {
        if (Gradient!.dtype != _dtype)
            throw new InvalidOperationException($"{Name}: the gradient is of type {Gradient.dtype}, the parameter of {_dtype}.");
    }

    /// <exception cref="InvalidOperationException">The parameter was disposed or moved.</exception>
    public void CheckValid()
    {
        if (Parameter.IsInvalid)
        {
            throw new InvalidOperationException(
                $"{Name}: the parameter was disposed, or replaced by moving the model; make the optimizer after moving it.");
        }
    }
}
