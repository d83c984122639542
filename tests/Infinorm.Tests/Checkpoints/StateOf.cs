namespace Infinorm.Tests.Checkpoints;

/// <summary>The bits of an optimizer and its variables, whatever the optimizer's name and the order of the variables.</summary>
static class StateOf
{
    public static IEnumerable<(string Name, string Bytes)> All(Optimizer optimizer) => optimizer.State("optimizer")
        .Concat(optimizer.TrainableVariables.Select(variable => new StateTensor("variables", variable.Path, variable)))
        .Select(tensor => (tensor.Name, Convert.ToHexString(tensor.Variable.ToNdArray().Bytes))).Order();
}
