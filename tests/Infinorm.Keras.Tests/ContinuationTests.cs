using System.Text.Json;
using Infinorm.Checkpoints;
using Infinorm.Constraints;
using Infinorm.Tests.Checkpoints;
using Infinorm.Tests.Conformance;
using Infinorm.Variables;

namespace Infinorm.Keras.Tests;

/// <summary>Archives of many kinds of models by Keras: what goes on as Keras does by itself, and what is refused until it is told what is not known.</summary>
public class ContinuationTests
{
    static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Golden", "roundtrip");

    // What the refusal must name; the other archives are understood.
    static readonly Dictionary<string, string> Refused = new()
    {
        ["block-wdx"] = "layers/block",
        ["scale_plain-wdx"] = "scale_plain/0",
        ["sub-ema"] = "the model",
        ["sublists-clipn"] = "the model",
        ["torchmod-rate"] = "layers/torch_module_wrapper/vars",
        ["lora-rate"] = "the layer dense has LoRA",
        ["mydense-rate"] = "my_dense has kernel_constraint NonNeg",
        ["custom_constraint-rate"] = "the constraint Cap is not known",
    };

    public static TheoryData<string> Cases() => [.. Directory.GetDirectories(Folder).Select(folder => Path.GetFileName(folder)!)
        .Order()];

    [Theory]
    [MemberData(nameof(Cases))]
    public void GoesOnAsKerasDid(string name)
    {
        var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, name, "case.json"))).RootElement;
        JsonElement[] trainable = [.. json.GetProperty("trainable").EnumerateArray()];
        string[] exclude = json.GetProperty("exclude") is { ValueKind: JsonValueKind.Array } list ? [.. list.EnumerateArray().Select(e => e.GetString()!)] : [];

        KerasArchive archive = Open();
        Variable[]? variables = null;
        if (Refused.TryGetValue(name, out string? problem))
        {
            Exception refusal = Assert.ThrowsAny<Exception>(() => Load());
            Assert.True(refusal is InvalidOperationException or InvalidFileException, refusal.ToString());
            Assert.Contains(problem, refusal.Message);
            Assert.Null(archive.Optimizer);
            Tell();
        }

        Optimizer optimizer = Load();
        IReadOnlyList<Variable> trained = variables ?? archive.TrainableVariables;
        Assert.Equal(trainable.Length, trained.Count);
        int optimizerVariables = json.GetProperty("optimizer_variables").GetArrayLength();
        for (int step = 0; step <= json.GetProperty("steps").GetInt32(); step++)
        {
            if (step > 0)
            {
                for (int i = 0; i < trained.Count; i++)
                {
                    if (Find($"b/{step}/{i}") is { } before)
                        trained[i].Assign(before.ToNdArray());
                }

                optimizer.Apply([.. trained.Select((_, i) => Find($"g/{step}/{i}")?.ToGradient() ?? default)]);
            }

            for (int i = 0; i < trained.Count; i++)
                AssertSame(Array($"w/{step}/{i}"), trained[i].ToNdArray(), $"{trained[i].Path} after step {step}");
            for (int i = 0; i < optimizerVariables; i++)
                AssertSame(Array($"o/{step}/{i}"), optimizer.Variables[i].ToNdArray(), $"{optimizer.Variables[i].Path} after step {step}");
        }

        using var folder = new TemporaryFolder();
        archive.Save(folder / "model.keras");
        KerasArchive saved = KerasArchive.Open(folder / "model.keras");
        int last = json.GetProperty("steps").GetInt32();
        for (int i = 0; i < trainable.Length; i++)
        {
            if (trainable[i].GetProperty("location").GetString() is { } location)
                AssertSame(Array($"w/{last}/{i}"), saved.Read(location), location);
        }

        for (int i = 0; i < optimizerVariables; i++)
            AssertSame(Array($"o/{last}/{i}"), saved.Read($"optimizer/vars/{i}"), $"optimizer/vars/{i}");

        // No place has the old value of a variable that changed: what is stored twice is written twice.
        KerasArchive former = KerasArchive.Open(Path.Combine(Folder, name, "model.keras"));
        foreach (string location in former.Locations.Where(location => !location.StartsWith("optimizer/", StringComparison.Ordinal)))
        {
            byte[] old = former.Read(location).Bytes.ToArray();
            int now = System.Array.FindIndex([.. Enumerable.Range(0, trainable.Length)], i => Array($"w/0/{i}").Bytes.AsSpan().SequenceEqual(old)
                && Array($"w/0/{i}").Bytes.Any(b => b != 0));
            if (now >= 0)
                AssertSame(Array($"w/{last}/{now}"), saved.Read(location), location);
        }

        KerasArchive Open(IEnumerable<string>? paths = null) => KerasArchive.Open(Path.Combine(Folder, name, "model.keras"), trainablePaths: paths);

        Optimizer Load()
        {
            Optimizer created = archive.CreateOptimizer();
            created.ExcludeFromWeightDecay(names: exclude);
            return archive.LoadOptimizer(exclude.Length > 0 ? created : null, variables);
        }

        // What the refusal asks for.
        void Tell()
        {
            if (name.StartsWith("lora", StringComparison.Ordinal))
            {
                variables =
                [
                    .. trainable.Select((v, i) => v.GetProperty("location").GetString() is { } location ? archive[location]
                        : new Variable<float>(v.GetProperty("path").GetString()!, Array($"w/0/{i}").Values<float>(), Array($"w/0/{i}").ToNdArray().Shape)),
                ];
                return;
            }

            if (name.StartsWith("custom_constraint", StringComparison.Ordinal))
                KerasArchive.RegisterConstraint("Cap", _ => new Cap());
            archive = Open(trainable.Select(v => v.GetProperty("path").GetString()! is var path && path.Contains('/') ? path : v.GetProperty("location").GetString()!));
            if (name.StartsWith("mydense", StringComparison.Ordinal))
            {
                archive["my_dense/kernel"].Constraint = new NonNeg();
                archive["my_dense/bias"].Constraint = null;
            }
        }

        GoldenArray Array(string key) => Find(key)!;

        GoldenArray? Find(string key) =>
            json.GetProperty("arrays").TryGetProperty(key, out JsonElement array) ? GoldenJson.Read<GoldenArray>(array) : null;
    }

    static void AssertSame(GoldenArray expected, NdArray actual, string what)
    {
        NdArray cast = actual.Cast(expected.Dtype);
        Assert.True(expected.Bytes.AsSpan().SequenceEqual(cast.Bytes), what);
    }

    sealed class Cap : Constraint
    {
        protected internal override void Apply<T>(Span<T> values, ReadOnlySpan<nint> shape)
        {
            foreach (ref T value in values)
                value = T.Min(value, T.CreateTruncating(0.1f));
        }
    }
}
