using System.CommandLine;
using System.Globalization;
using Infinorm.Tool.Conversions;
using Infinorm.Tool.Files;

namespace Infinorm.Tool;

/// <summary><c>infinorm diff A B</c>: what differs between two files, and by how much.</summary>
static class DiffCommand
{
    const string Nothing = "-";

    public static Subcommand Create(Session session)
    {
        var first = new Argument<string>("A") { Description = "A .safetensors, .keras or .weights.h5 file." };
        var second = new Argument<string>("B") { Description = "Another, of the same or another format." };
        var command = new Subcommand(
            "diff", "Shows which settings and tensors differ, and by how much; nothing if none does. Names of optimizers do not count.",
            "infinorm diff before.safetensors after.safetensors", "infinorm diff model.keras converted.safetensors && echo same") { first, second };
        command.SetAction(parsed =>
        {
            var (a, b) = Open(parsed.GetRequiredValue(first), parsed.GetRequiredValue(second), session);
            using var _ = a;
            using var __ = b;
            Table differences = Compare(a, b);
            if (differences.Count == 0)
                return ExitCode.Success;
            differences.Write(session);
            return ExitCode.Different;
        });
        return command;
    }

    // A weights file does not say how its optimizer's variables are called: the archive that it is compared with does.
    static (StateFile A, StateFile B) Open(string first, string second, Session session)
    {
        bool isSecondFirst = FileKinds.IsWeights(first);
        StateFile one = StateFile.Open(isSecondFirst ? second : first, session);
        try
        {
            StateFile other = StateFile.Open(isSecondFirst ? first : second, session, (one as KerasState)?.Archive.ModelConfig);
            return isSecondFirst ? (other, one) : (one, other);
        }
        catch
        {
            one.Dispose();
            throw;
        }
    }

    static Table Compare(StateFile a, StateFile b)
    {
        var table = new Table("differs", "name", "A", "B", ">elements", ">max abs", ">max ulp", ">at");
        foreach (SettingDifference setting in Settings.Compare(a, b))
            table.Add("setting", setting.Name, setting.First, setting.Second, Nothing, Nothing, Nothing, Nothing);

        Dictionary<string, TensorInfo> others = b.Tensors.ToDictionary(tensor => tensor.Name);
        foreach (TensorInfo one in a.Tensors)
        {
            if (!others.Remove(one.Name, out TensorInfo? two))
                table.Add("only in A", one.Name, one.Kind, Nothing, Nothing, Nothing, Nothing, Nothing);
            else if (!one.Shape.SequenceEqual(two.Shape))
                table.Add("shape", one.Name, one.Kind, two.Kind, Nothing, Nothing, Nothing, Nothing);
            else
                AddValues(table, one, two, TensorDifference.Of(a.Pieces(one), b.Pieces(two)));
        }

        foreach (TensorInfo two in b.Tensors.Where(tensor => others.ContainsKey(tensor.Name)))
            table.Add("only in B", two.Name, Nothing, two.Kind, Nothing, Nothing, Nothing, Nothing);
        return table;
    }

    static void AddValues(Table table, TensorInfo one, TensorInfo two, TensorDifference difference)
    {
        if (one.DType == two.DType && difference.Count == 0)
            return;
        table.Add(
            one.DType == two.DType ? "values" : "type", one.Name, one.Kind, two.Kind,
            string.Create(CultureInfo.InvariantCulture, $"{difference.Count}/{one.Length}"), Values.Format(difference.MaxAbs),
            difference.MaxUlp?.ToString(CultureInfo.InvariantCulture) ?? Nothing, difference.At < 0 ? Nothing : Index(difference.At, one.Shape));
    }

    // "[3, 0]", the element's place along each axis.
    static string Index(long at, nint[] shape)
    {
        var index = new nint[shape.Length];
        for (int axis = shape.Length - 1; axis >= 0; axis--)
        {
            index[axis] = (nint)(at % shape[axis]);
            at /= shape[axis];
        }

        return Shapes.Format(index);
    }
}
