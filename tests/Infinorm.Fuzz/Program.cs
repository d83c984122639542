using System.Diagnostics;
using System.Runtime.CompilerServices;
using Infinorm.Fuzz;

// Feeds readers with mutated inputs: only the exception they document, no hang, and no more memory than eng/fuzz lets the process have.
//   --count N     inputs, shared among the targets (100,000)
//   --minutes M   as many inputs as fit into so many minutes instead
//   --seed S      other inputs (1)
//   --target T    one target only; "large", "huge", "structures" and "structures40" are large files, which take more memory and are read
//                 only if asked for
//   --input I     one input only, the I-th
//   --save F      inputs are written to the folder F and not read: making a large one takes more memory than reading it may
//   --saved F     and read from there
FuzzTarget[] targets =
[
    new SafetensorsTarget(),
    new ConfigTarget(),
    new KerasTarget(isArchive: false),
    new KerasTarget(isArchive: true),
];

TimeSpan longest = TimeSpan.FromSeconds(2); // of processor time for one input, or each MB of it, which other processes do not lengthen
long count = Number("--count") ?? 100_000;
int seed = (int)(Number("--seed") ?? 1);
TimeSpan? time = Number("--minutes") is { } minutes ? TimeSpan.FromMinutes(minutes) : null;
if (Option("--target") is { } name)
{
    targets =
    [
        .. targets, new LargeTarget("large", 3 << 20), new LargeTarget("huge", 64 << 20), new StructureTarget("structures", 3),
        new StructureTarget("structures40", 40),
    ];
    targets = [.. targets.Where(target => target.Name == name)];
}

if (targets.Length == 0)
    throw new ArgumentException("There is no such target.");
if (Number("--input") is { } only)
{
    foreach (FuzzTarget target in targets)
        Console.WriteLine($"target {target.Name}: input {only} was {(target.Read(MakeInput(target, only)) ? "accepted" : "refused")}");
    return 0;
}

if (Option("--save") is { } folder)
{
    Directory.CreateDirectory(folder);
    for (int i = 0; i < count; i++)
        File.WriteAllBytes(Path.Combine(folder, $"{i}"), targets.Single().MakeInput(Mutator(i)));
    return 0;
}

int failures = 0;
foreach (FuzzTarget target in targets)
{
    foreach (byte[] sound in target.Seeds)
        target.Read(sound);
    var clock = Stopwatch.StartNew();
    long done = 0, refused = 0;
    using var watch = new Timer(_ => Environment.FailFast($"target {target.Name}: input {done} does not end"));
    for (; time is null ? done < (count + targets.Length - 1) / targets.Length : clock.Elapsed < time / targets.Length; done++)
        refused += IsRefused(target, done, watch) ? 1 : 0;

    Console.WriteLine($"target {target.Name}: {done} inputs, {refused} refused, {clock.Elapsed.TotalSeconds:F0} s");
}

return failures == 0 ? 0 : 1;

// A call of its own, so that nothing of one input is still alive at the next.
[MethodImpl(MethodImplOptions.NoInlining)]
bool IsRefused(FuzzTarget target, long number, Timer watch)
{
    bool isRefused = false;
    byte[] input = MakeInput(target, number);
    TimeSpan start = Environment.CpuUsage.TotalTime;
    watch.Change(30 * longest, Timeout.InfiniteTimeSpan);
    try
    {
        isRefused = !target.Read(input);
    }
    catch (Exception e)
    {
        Fail(target, number, input, e.ToString());
    }

    TimeSpan taken = Environment.CpuUsage.TotalTime - start;
    if (taken > longest * Math.Max(1, input.Length >> 20))
        Fail(target, number, input, $"it took {taken.TotalSeconds:F1} s");
    return isRefused;
}

byte[] MakeInput(FuzzTarget target, long number)
{
    if (Option("--saved") is not { } saved)
        return target.MakeInput(Mutator(number));
    GC.Collect(); // what the last input left is not this one's
    return File.ReadAllBytes(Path.Combine(saved, $"{number}"));
}

Mutator Mutator(long number) => new(unchecked((seed * 1_000_003) + (int)number));

void Fail(FuzzTarget target, long number, byte[] input, string what)
{
    Console.WriteLine($"target {target.Name}, --seed {seed} --input {number}, {input.Length} bytes: {what}");
    if (++failures == 10)
        Environment.Exit(1);
}

string? Option(string option) => Array.IndexOf(args, option) is >= 0 and int i && i + 1 < args.Length ? args[i + 1] : null;

long? Number(string option) => Option(option) is { } text ? long.Parse(text) : null;
