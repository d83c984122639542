using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Infinorm.Config;
using Infinorm.Tool.Conversions;
using Infinorm.Tool.Files;
using Infinorm.Tool.Terminal;
using Infinorm.Types;

namespace Infinorm.Tool;

/// <summary><c>infinorm diff A B</c>: what differs between two files, and by how much.</summary>
static class DiffCommand
{
    const string Nothing = "-";

    static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public static Subcommand Create(Session session)
    {
        var first = new Argument<string>("A") { Description = "A .safetensors, .keras or .weights.h5 file." };
        var second = new Argument<string>("B") { Description = "A second file, of the same or another format." };
        var json = new Option<bool>("--json") { Description = "Write JSON: the settings and tensors that differ." };
        var command = new Subcommand(
            "diff", "Shows which settings and tensors differ, and by how much; nothing if none does. Names of optimizers do not count.",
            "infinorm diff before.safetensors after.safetensors",
            "infinorm diff model.keras converted.safetensors && echo same") { first, second, json };
        command.SetAction(parsed =>
        {
            var (a, b) = Open(parsed.GetRequiredValue(first), parsed.GetRequiredValue(second), session);
            using var _ = a;
            using var __ = b;
            Table settings = CompareSettings(a, b), tensors = CompareTensors(a, b);
            Table[] differences = [.. new[] { settings, tensors }.Where(table => table.Count > 0)];
            if (parsed.GetValue(json))
                session.Output.WriteLine(new JsonObject { ["settings"] = settings.ToJson(), ["tensors"] = tensors.ToJson() }.ToJsonString(Indented));
            foreach (Table table in parsed.GetValue(json) ? [] : differences)
            {
                if (table != differences[0])
                    session.Output.WriteLine();
                table.Write(session);
            }

            foreach (StateFile file in new[] { a, b })
            {
                foreach (string tensor in file.Unread)
                    session.Say($"note: {file.Path}: not compared, as its type cannot be read here: {tensor}");
            }

            return differences.Length == 0 ? ExitCode.Success : ExitCode.Different;
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

    static Table CompareSettings(StateFile a, StateFile b)
    {
        var table = new Table("setting", "~A", "~B");
        foreach (SettingDifference setting in Settings.Compare(a, b))
            table.Add(setting.Name, setting.First, setting.Second);
        return table;
    }

    static Table CompareTensors(StateFile a, StateFile b)
    {
        var table = new Table("tensor", "differs in", ">elements", ">max abs", ">max ulp", ">at");
        Dictionary<string, TensorInfo> others = b.Tensors.ToDictionary(tensor => tensor.Name);
        foreach (TensorInfo one in a.Tensors)
        {
            if (!others.Remove(one.Name, out TensorInfo? two))
                AddWhole(one.Name, $"A has {one.Kind}, B nothing");
            else if (!one.Shape.SequenceEqual(two.Shape))
                AddWhole(one.Name, $"shape: {one.Kind}, {two.Kind}");
            else
                AddValues(table, one, two, TensorDifference.Of(RunHistory.WithoutSeconds(a, one), RunHistory.WithoutSeconds(b, two)));
        }

        foreach (TensorInfo two in b.Tensors.Where(tensor => others.ContainsKey(tensor.Name)))
            AddWhole(two.Name, $"A has nothing, B {two.Kind}");
        return table;

        void AddWhole(string name, string problem) => table.Add(name, problem, Nothing, Nothing, Nothing, Nothing);
    }

    static void AddValues(Table table, TensorInfo one, TensorInfo two, TensorDifference difference)
    {
        bool isSameKind = one.DType == two.DType || (TensorDifference.IsInteger(one.DType) && TensorDifference.IsInteger(two.DType));
        if (isSameKind && difference.Count == 0)
            return;
        table.Add(
            one.Name, one.DType == two.DType ? "values" : $"type: {one.DType.KerasName()}, {two.DType.KerasName()}",
            string.Create(CultureInfo.InvariantCulture, $"{difference.Count}/{one.Length}"), NumberFormat.Rounded(difference.MaxAbs),
            difference.MaxUlp?.ToString(CultureInfo.InvariantCulture) ?? Nothing,
            difference.At < 0 ? Nothing : Index(difference.At, one.Shape));
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
