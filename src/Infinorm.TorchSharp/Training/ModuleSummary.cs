using System.Globalization;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>A table of any module's parts.</summary>
public static class ModuleSummary
{
    /// <summary>
    /// A table of the module's parts with their numbers of parameters, and the totals. Parts within others are indented. A parameter that
    /// several parts share counts once. Keras: <c>summary</c>.
    /// </summary>
    /// <param name="module">The module.</param>
    public static string Summary(this nn.Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        return Table(module, shapes: null);
    }

    /// <summary>
    /// As <see cref="Summary(nn.Module)"/>, with the shape of each part's output for an input of some shape: the module computes zeros
    /// once, in evaluation mode. Parts that are not <c>Module&lt;Tensor, Tensor&gt;</c> have no shape.
    /// </summary>
    /// <param name="module">The module.</param>
    /// <param name="inputShape">The shape of the input, the number of examples first.</param>
    /// <exception cref="ArgumentException">There is no shape, or the module cannot take such an input.</exception>
    public static string Summary(this nn.Module<Tensor, Tensor> module, long[] inputShape)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(inputShape);
        if (inputShape.Length == 0 || inputShape.Any(size => size < 0))
        {
            throw new ArgumentException(
                $"An input has a shape of sizes that are not negative; found [{string.Join(", ", inputShape)}].", nameof(inputShape));
        }

        return Table(module, ShapesOf(module, inputShape));
    }

    static string Table(nn.Module module, Dictionary<nn.Module, string>? shapes)
    {
        string[] head = ["Part (type)", .. shapes is null ? (string[])[] : ["Output shape"], "Parameters"];
        var rows = new List<IReadOnlyList<string>>();
        foreach (var (name, part, depth) in PartsOf(module, "", 0))
        {
            string type = part.GetType().Name.Split('`')[0], title = depth == 0 ? type : $"{new string(' ', 2 * depth)}{name} ({type})";
            rows.Add([title, .. shapes is null ? (string[])[] : [shapes.GetValueOrDefault(part, "")], Number(Count(OwnOf(part)))]);
        }

        Parameter[] parameters = [.. module.parameters().DistinctBy(NativeTensor.IdentityOf)];
        long all = Count(parameters), trainable = Count(parameters.Where(parameter => parameter.requires_grad));
        var (lines, rule) = TextTable.Of(head, rows, left: head.Length - 1);
        return string.Join(Environment.NewLine,
        [
            .. lines, rule, $"Total: {Number(all)} parameters, {Size(parameters)}", $"Trainable: {Number(trainable)}",
            $"Frozen: {Number(all - trainable)}",
        ]);
    }

    // A part stands before its own parts.
    static IEnumerable<(string Name, nn.Module Part, int Depth)> PartsOf(nn.Module module, string name, int depth)
    {
        yield return (name, module, depth);
        foreach (var (child, part) in module.named_children())
        {
            foreach (var row in PartsOf(part, child, depth + 1))
                yield return row;
        }
    }

    static IEnumerable<Parameter> OwnOf(nn.Module part) => part.named_parameters(recurse: false).Select(named => named.parameter);

    static Dictionary<nn.Module, string> ShapesOf(nn.Module<Tensor, Tensor> module, long[] inputShape)
    {
        var shapes = new Dictionary<nn.Module, string>(ReferenceEqualityComparer.Instance);
        var parts = PartsOf(module, "", 0).Select(row => row.Part).OfType<nn.Module<Tensor, Tensor>>().Distinct().ToArray();
        var hooks = Array.ConvertAll(parts, part => part.register_forward_hook((_, _, output) =>
        {
            shapes[part] = output.Shape();
            return output;
        }));
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var mode = new ModelMode(module, training: false);
        try
        {
            ScalarType type = module.parameters().FirstOrDefault()?.dtype ?? ScalarType.Float32;
            new ForwardPass(inputs => [module.call(inputs[0])], (_, _) => throw new NotSupportedException())
                .Predict([zeros(inputShape, dtype: type, device: Devices.Of(module))]);
        }
        finally
        {
            foreach (var hook in hooks)
                hook.remove();
        }

        return shapes;
    }

    static long Count(IEnumerable<Parameter> parameters) => parameters.Sum(parameter => parameter.numel());

    static string Number(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    static string Size(Parameter[] parameters)
    {
        double bytes = parameters.Sum(parameter => (double)parameter.numel() * parameter.ElementSize);
        return bytes < 1 << 20
            ? string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024:F1} KiB")
            : string.Create(CultureInfo.InvariantCulture, $"{bytes / (1 << 20):F1} MiB");
    }
}
