using Infinorm.Variables;
using TorchSharp;
using TorchSharp.Modules;

namespace Infinorm.Torch;

/// <summary>A parameter on any device: stepped by tensor operations, see <see cref="TensorExecutor"/>.</summary>
sealed class TensorParameter : OptimizedParameter
{
    public TensorParameter(string name, Parameter parameter)
        : base(name, parameter)
    {
        Variable = new TensorVariable(Path, parameter);
    }

    public override Variable Variable { get; }

    public override void Locate() => CheckUnchanged();

    public override Gradient FetchGradient()
    {
        Gradient = Parameter.grad;
        if (Gradient is null)
            return default;
        CheckGradientType();
        if (Gradient.is_sparse)
        {
            // Rows of equal index are summed in the type of the computation.
            using torch.Tensor sparse = Gradient;
            using torch.Tensor wide = sparse.to_type(TensorTypes.ComputeTypeOf(Variable.DType));
            Gradient = wide.to_dense();
        }

        return new Gradient(new TypedMemory(Gradient, 0, (int)Length, Variable.DType));
    }
}
