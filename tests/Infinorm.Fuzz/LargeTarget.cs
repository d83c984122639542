using System.Runtime.CompilerServices;
using System.Text;
using Infinorm.Checkpoints;
using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Fuzz;

/// <summary>
/// Checkpoints that are made to cost the most for their size: many tiny tensors, names, keys, settings. They are not damaged at random;
/// only their sizes are.
/// </summary>
/// <param name="name">Its name in the report.</param>
/// <param name="longest">The longest header in bytes.</param>
sealed class LargeTarget(string name, int longest) : FuzzTarget
{
    const string Config = """{"class_name": "Adamax", "config": {}}""";

    // Pieces of text, so that making an input takes little more memory than the input.
    static readonly Func<int, IEnumerable<string>>[] Headers =
    [
        length => Header(Config, tensors: Many(length, i => $$$""","{{{i:x}}}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}""")),
        length => Header(Config, tensors: Many(length, i => $$$""","{{{i:x}}}":{"dtype":"F32","shape":[0{{{Zeros(31)}}}],"data_offsets":[0,0]}""")),
        length => Header(Config, tensors: Many(length, i => $$$""","{{{i:x}}}":{"dtype":"U8","shape":[],"data_offsets":[0,1]}""")),
        length => Header(Config, tensors: Many(length, i => $$$""","{{{i:x}}}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}""")),
        length => Header(Config, tensors: [",\"", .. Many(length, _ => "aaaaaaaa"), "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}"]),
        length => Header(Config, tensors: [",\"a\":{\"", .. Many(length, _ => "aaaaaaaa"), "\":0}"]),
        length => Header(Config, tensors: Many(length, _ => "        ")),
        length => Header(Config, exclusions: Paths(length)),
        length => Header(Config, exclusions: Paths(length / 3), metadata: Groups(length / 3)), // their escapes come on top
        length => Header(Config, exclusions: [new string(',', Math.Min(length, CheckpointInfo.MaxPathsLength) - 400)]),
        length => Header(Config, metadata: Many(length, i => $",\"{i:x}\":\"\"")),
        length => Header(Wrap($"{{\"\": 0{string.Concat(Many(ConfigLength(length), i => $",\"{i:x}\":0"))}}}")),
        length => Header(Wrap($"[0{Zeros(ConfigLength(length) / 2)}]")),
        length => Header(Wrap($"[[]{Repeat(",[]", ConfigLength(length) / 3)}]")),
        length => Header(Wrap($"{Repeat("[", 60)}{Repeat("]", 60)}")),
        length => Header(Wrap($"\"{new string('a', ConfigLength(length))}\"")),
    ];

    readonly Optimizer _optimizer = MakeOptimizer();

    public override string Name => name;

    public override IReadOnlyList<byte[]> Seeds => [];

    public override byte[] MakeInput(Mutator mutator)
    {
        IEnumerable<string> header = mutator.Pick(Headers)(longest >> mutator.Pick([0, 0, 1, 3, 5]));
        var stream = new MemoryStream();
        stream.Write(new byte[8]);
        using (var writer = new StreamWriter(stream, leaveOpen: true)) // UTF-8
        {
            foreach (string piece in header)
                writer.Write(piece);
        }

        byte[] input = stream.ToArray();
        BitConverter.TryWriteBytes(input, input.LongLength - 8);
        stream.SetLength(0);
        stream.Capacity = 0;
        GC.Collect(); // what it took to make the input is not the reader's
        return input;
    }

    public override bool Read(byte[] input) =>
        Loads(input, file => CheckpointFile.Restore(_optimizer, file, new LoadOptions()))
        | Loads(input, file => CheckpointFile.Load(file, [.. _optimizer.TrainableVariables], new LoadOptions()));

    // A call of its own, so that nothing of one load is still alive at the next.
    [MethodImpl(MethodImplOptions.NoInlining)]
    static bool Loads(byte[] input, Action<SafetensorsFile> load)
    {
        try
        {
            load(new SafetensorsFile(new MemoryStream(input), "input"));
            return true;
        }
        catch (Exception e) when (e is InvalidFileException or CheckpointMismatchException)
        {
            return false;
        }
    }

    static IEnumerable<string> Header(
        string config, IEnumerable<string>? exclusions = null, IEnumerable<string>? metadata = null, IEnumerable<string>? tensors = null) =>
    [
        $"{{\"__metadata__\":{{\"infinorm\":\"1\",\"floatx\":\"float32\",\"config\":\"{config.Replace("\"", "\\\"")}\",",
        "\"weight_decay_exclusions\":\"[\\\"\\\"", .. exclusions ?? [], "]\"", .. metadata ?? [], "}", .. tensors ?? [], "}",
    ];

    static Optimizer MakeOptimizer()
    {
        var optimizer = new Adamax { Name = "a" };
        optimizer.Build(new Variable<float>("w", new float[1]));
        return optimizer;
    }

    static IEnumerable<string> Paths(int length) =>
        Many(Math.Min(length, CheckpointInfo.MaxPathsLength), i => $",\\\"{i:x}\\\"", perPiece: 2);

    static IEnumerable<string> Groups(int length) =>
    [
        ""","groups":"[{\"learning_rate\": null, \"weight_decay\": null}]","group_of":"{\"w\":0""",
        .. Many(Math.Min(length, CheckpointInfo.MaxPathsLength), i => $",\\\"{i:x}\\\":0", perPiece: 2), "}\"",
    ];

    static string Wrap(string value) => $$$"""{"class_name": "Adamax", "config": {"beta_1": {{{value}}}}}""";

    static int ConfigLength(int length) => Math.Min(length / 2, (1 << 17) - 100);

    static string Zeros(int count) => Repeat(",0", count);

    static string Repeat(string text, int count) => new StringBuilder().Insert(0, text, count).ToString();

    // Escapes count less than they take.
    static IEnumerable<string> Many(int length, Func<int, string> make, int perPiece = 0)
    {
        for (int i = 0, left = length - 400; left > 0; i++)
        {
            string piece = make(i);
            left -= piece.Length - perPiece;
            yield return piece;
        }
    }
}
