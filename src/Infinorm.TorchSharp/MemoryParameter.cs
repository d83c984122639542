using Infinorm.Variables;
using TorchSharp;
using TorchSharp.Modules;

namespace Infinorm.Torch;

/// <summary>A CPU parameter: its memory is stepped where it lies.</summary>
sealed class MemoryParameter : OptimizedParameter
{
    readonly bool _usesNativeCalls;
    readonly sbyte _type;
    readonly TensorMemory _memory;
    readonly torch.Tensor? _copy; // steps in place of a parameter that is not contiguous
    TensorMemory? _gradientMemory;
    nint _gradientHandle; // in place of a wrapper

    /// <param name="name">Its name in the model.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="usesNativeCalls">Whether to find what lies plainly in memory through <see cref="NativeTensor"/>.</param>
    /// <param name="shared">A variable over the parameter's own memory; null to make one.</param>
    public MemoryParameter(string name, Parameter parameter, bool usesNativeCalls, Variable? shared = null)
        : base(name, parameter)
    {
        _usesNativeCalls = usesNativeCalls;
        _type = (sbyte)parameter.dtype;
        if (!parameter.is_contiguous())
        {
            using torch.Tensor detached = parameter.detach();
            _copy = detached.contiguous().DetachFromDisposeScope();
        }

        _memory = TensorMemory.Of(name, _copy ?? parameter, parameter);
        Variable = shared ?? _memory.AsVariable(Path, parameter.shape);
    }

    public override Variable Variable { get; }

    public override void Locate()
    {
        if (_copy is null && _usesNativeCalls && !Parameter.IsInvalid && NativeTensor.IsPlain(Parameter.Handle, _type, Length))
        {
            _memory.Address = NativeTensor.THSTensor_data(Parameter.Handle);
            return;
        }

        CheckUnchanged();
        if (_copy is null && !Parameter.is_contiguous())
            throw new InvalidOperationException($"{Name}: the parameter is no longer contiguous, as it was when the optimizer was made.");
        if (_copy is not null)
            Copy(Parameter, _copy);
        _memory.View(_copy ?? Parameter);
    }

    public override Gradient FetchGradient()
    {
        if (_usesNativeCalls)
        {
            _gradientHandle = NativeTensor.THSTensor_grad(Parameter.Handle);
            if (_gradientHandle == 0)
                return default;
            if (_gradientMemory is not null && NativeTensor.IsPlain(_gradientHandle, _type, Length))
            {
                _gradientMemory.Address = NativeTensor.THSTensor_data(_gradientHandle);
                return _gradientMemory.AsGradient();
            }

            ReleaseGradient();
        }

        Gradient = Parameter.grad;
        if (Gradient is null)
            return default;
        if (Gradient.is_sparse && FetchRows() is { } rows)
            return rows;

        MakeContiguous();
        CheckGradientType();
        _gradientMemory ??= TensorMemory.Of(Name, Gradient);
        _gradientMemory.View(Gradient);
        return _gradientMemory.AsGradient();
    }

    public override void ReleaseGradient()
    {
        base.ReleaseGradient();
        if (_gradientHandle == 0)
            return;
        NativeTensor.THSTensor_dispose(_gradientHandle);
        _gradientHandle = 0;
    }

    public override void WriteBack()
    {
        if (_copy is not null)
            Copy(_copy, Parameter);
    }

    public override void Dispose() => _copy?.Dispose();

    // The rows of a table; null where the gradient is sparse in another way, as zero_grad makes it, and is dense from then on.
    RowGradient? FetchRows()
    {
        using torch.Tensor sparse = Gradient!;
        using torch.Tensor indices = sparse.SparseIndices;
        if (indices.shape[0] != 1)
        {
            Gradient = sparse.to_dense();
            return null;
        }

        using torch.Tensor rows = indices.to_type(torch.ScalarType.Int32);
        Gradient = sparse.SparseValues;
        MakeContiguous();
        return TensorMemory.Of(Name, Gradient).AsRows(rows.data<int>().ToArray());
    }

    void MakeContiguous()
    {
        if (Gradient!.is_contiguous())
            return;
        torch.Tensor contiguous = Gradient.contiguous();
        Gradient.Dispose();
        Gradient = contiguous;
    }

    // Recorded for a backward pass, each step would keep the last one's tensors alive.
    static void Copy(torch.Tensor from, torch.Tensor to)
    {
        using var noGrad = torch.no_grad();
        to.copy_(from);
    }
}
