using System.Reflection;
using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Keras;
using Infinorm.Optimizers;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Fuzz;

/// <summary>Keras's files: all is listed and read, the optimizer loaded, and what is written reads the same.</summary>
/// <param name="isArchive">Whether the seeds are <c>.keras</c> archives or <c>.weights.h5</c> files.</param>
sealed class KerasTarget(bool isArchive) : FuzzTarget
{
    // What a weights file lacks. A layer of one's own may have any number of weights.
    static readonly JsonObject Config = new()
    {
        ["config"] = new JsonObject
        {
            ["layers"] = new JsonArray(new JsonObject { ["class_name"] = "Mine", ["config"] = new JsonObject { ["name"] = "hidden" } }),
        },
    };

    readonly string _extension = isArchive ? ".keras" : ".weights.h5";

    public override string Name => isArchive ? "keras" : "weights.h5";

    public override IReadOnlyList<byte[]> Seeds => field ??= [.. GoldenFiles(), WrittenAnew(wrapsItself: false), WrittenAnew(wrapsItself: true)];

    // The HDF5 file is mostly numbers. Damage to a zip file as a whole seldom gets beyond its directory, so most inputs are zipped anew.
    public override byte[] MakeInput(Mutator mutator)
    {
        byte[] seed = mutator.Pick(Seeds);
        if (!isArchive)
            return mutator.Once(4) ? mutator.Mutate(seed) : mutator.MutateNumbers(seed);
        if (mutator.Once(4))
            return mutator.Once(2) ? mutator.Mutate(seed) : mutator.MutateNumbers(seed);
        List<ZipEntry> entries = ZipEntry.ReadAll("seed", new MemoryStream(seed));
        int damaged = mutator.Pick(Enumerable.Range(0, entries.Count).ToArray());
        byte[] content = entries[damaged].Content;
        entries[damaged] = entries[damaged] with
        {
            Content = entries[damaged].Name.EndsWith(".h5", StringComparison.Ordinal) ? mutator.MutateNumbers(content) : mutator.Mutate(content),
            IsStored = mutator.Once(2),
        };
        return Zip(entries);
    }

    public override bool Read(byte[] input)
    {
        KerasArchive archive;
        try
        {
            archive = KerasArchive.Open("input", new MemoryStream(input), isArchive ? null : Config);
        }
        catch (InvalidFileException)
        {
            return false;
        }
        catch (ArgumentException) when (!isArchive && input.AsSpan().StartsWith("PK"u8))
        {
            return false; // a config was given for an archive
        }

        _ = archive.Others.Count + archive.GroupNames.Count + archive.TrainableVariables.Count;
        string[] weights = Describe(archive, withOptimizer: false);
        try
        {
            if (archive.UnorderedGroup is null && archive.HasOptimizerState && archive.OptimizerConfig is not null)
                archive.LoadOptimizer();
        }
        catch (Exception e) when (e is InvalidFileException or InvalidOperationException)
        {
            return false; // the state does not fit, or what is trained is not known
        }

        var written = new MemoryStream();
        try
        {
            archive.Save(written, weightsOnly: !isArchive);
        }
        catch (NotSupportedException) when (written.Length == 0)
        {
            return false; // the optimizer has another name in the file, which so is written anew, and has what cannot be
        }

        KerasArchive again = KerasArchive.Open("written", written, isArchive ? null : Config);
        bool isSame = weights.SequenceEqual(Describe(again, withOptimizer: false))
            && Describe(archive, withOptimizer: true).SequenceEqual(Describe(again, withOptimizer: true));
        return isSame ? true : throw new InvalidOperationException("The arrays are others after writing and reading.");
    }

    // Of a LossScaleOptimizer's two copies, which may differ, only one is loaded; so the optimizer is compared as it was written.
    static string[] Describe(KerasArchive archive, bool withOptimizer) =>
    [
        .. archive.Locations.Where(location => withOptimizer || !location.StartsWith("optimizer/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal).Select(location => Describe(archive, location)),
    ];

    static string Describe(KerasArchive archive, string location)
    {
        NdArray array = archive.Read(location);
        var hash = new HashCode();
        hash.AddBytes(array.Bytes);
        return $"{location} {array.DType}[{string.Join(',', array.Shape.ToArray())}] {hash.ToHashCode()}";
    }

    IEnumerable<byte[]> GoldenFiles()
    {
        Assembly assembly = typeof(KerasTarget).Assembly;
        foreach (string name in assembly.GetManifestResourceNames().Where(name => name.EndsWith(_extension, StringComparison.Ordinal)))
        {
            using Stream stream = assembly.GetManifestResourceStream(name)!;
            var content = new byte[stream.Length];
            stream.ReadExactly(content);
            yield return content;
        }
    }

    // By PureHDF: a newer superblock, and links in the groups' headers. A model that wraps its optimizer itself has the settings of the
    // inner one.
    byte[] WrittenAnew(bool wrapsItself)
    {
        var dtypes = Enum.GetValues<DType>();
        KerasArchive archive = KerasArchive.Create(
            dtypes.Select((dtype, i) => KeyValuePair.Create($"layers/mine/vars/{i}", NdArray.Create([1f, 2, 3, 4], 2, 2).Cast(dtype))),
            new Dictionary<string, string> { ["layers/mine/vars"] = "hidden", ["vars"] = "model" },
            (JsonObject)Config.DeepClone());
        var optimizer = new LossScaleOptimizer(new Adamax { Name = "inner", UseEma = true }) { Name = "loss_scale_optimizer" };
        optimizer.Build(archive.TrainableVariables);
        archive.Optimizer = optimizer;
        var written = new MemoryStream();
        archive.Save(written, weightsOnly: !isArchive);
        if (wrapsItself)
        {
            archive.Optimizer = null;
            archive.ModelConfig!["compile_config"]!["optimizer"] = optimizer.InnerOptimizer.GetConfig();
            written.SetLength(0);
            archive.Save(written, weightsOnly: !isArchive);
        }

        return written.ToArray();
    }

    static byte[] Zip(List<ZipEntry> entries)
    {
        var stream = new MemoryStream();
        ZipEntry.WriteAll(stream, entries);
        return stream.ToArray();
    }
}
