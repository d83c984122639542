using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Infinorm.Variables;
using TorchSharp;
using TorchSharp.Modules;

namespace Infinorm.Benchmarks;

/// <summary>TorchSharp parameters with gradients, stepped by an optimizer of TorchSharp's, and views of the same memory for Infinorm's.</summary>
sealed class TorchParameters : IDisposable
{
    readonly Parameter[] _parameters;
    readonly torch.Tensor[] _gradients;
    readonly torch.optim.Optimizer _optimizer;

    /// <param name="lengths">The number of elements of each parameter.</param>
    /// <param name="threads">The threads of TorchSharp.</param>
    /// <param name="make">Makes TorchSharp's optimizer.</param>
    public TorchParameters(IEnumerable<int> lengths, int threads, Func<IEnumerable<Parameter>, torch.optim.Optimizer> make)
    {
        torch.set_num_threads(threads);
        _parameters = [.. lengths.Select(length => new Parameter(torch.rand(length) - 0.5f))];
        _gradients = [.. _parameters.Select(parameter => torch.rand(parameter.shape) - 0.5f)];
        foreach ((Parameter parameter, torch.Tensor gradient) in _parameters.Zip(_gradients))
            parameter.grad = gradient;
        _optimizer = make(_parameters);
    }

    public IReadOnlyList<Parameter> Parameters => _parameters;

    public void Step() => _optimizer.step();

    public Variable[] Variables() =>
        [.. _parameters.Select((parameter, i) => new Variable<float>($"parameter{i}", new TensorMemory(parameter).Memory))];

    public Gradient[] Gradients() => [.. _gradients.Select(gradient => (Gradient)new TensorMemory(gradient).Memory)];

    public void Dispose()
    {
        _optimizer.Dispose();
        foreach (torch.Tensor tensor in _parameters.Concat(_gradients))
            tensor.Dispose();
    }

    /// <summary>The memory of a contiguous tensor, which must outlive it.</summary>
    sealed unsafe class TensorMemory(torch.Tensor tensor) : MemoryManager<float>
    {
        readonly float* _start = (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(tensor.bytes));
        readonly int _length = checked((int)tensor.numel());

        public override Span<float> GetSpan() => new(_start, _length);

        public override MemoryHandle Pin(int elementIndex = 0) => new(_start + elementIndex);

        public override void Unpin() { }

        protected override void Dispose(bool disposing) { }
    }
}
