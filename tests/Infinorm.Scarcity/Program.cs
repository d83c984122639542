using System.Runtime.InteropServices;
using Infinorm.Optimizers;
using Infinorm.Variables;

// Has too little of something and must bear it: Infinorm.Scarcity build, with a limit of the heap; Infinorm.Scarcity threads, on
// Linux. Says what was refused; an exception is a fault.
const int Million = 1_000_000;
switch (args[0])
{
    case "build":
        Build();
        break;
    case "threads":
        Threads();
        break;
    default:
        throw new ArgumentException(args[0]);
}

static void Build()
{
    float[] values = Filled(15 * Million, 1);
    var adamax = new Adamax { Name = "adamax", UseEma = true };
    Console.WriteLine(Refused(() => adamax.Build(new Variable<float>("large", values))));
    Require(!adamax.IsBuilt && adamax.Variables.Count == 2 && values.AsSpan().IndexOfAnyExcept(1) < 0, "It is as before.");
    var small = new Variable<float>("small", Filled(10, 1));
    adamax.Build(small);
    adamax.Apply([Filled(10, 1)]);
    Require(small.Span[0] < 1, "It steps what there is room for.");
}

static void Threads()
{
    const int addressSpace = 9, room = 32 << 20; // less than a thread's stack, which whoever starts this process makes 64 MiB
    new Thread(() => Thread.Sleep(Timeout.Infinite)) { IsBackground = true }.Start(); // has loaded what starting takes
    byte[] alone = Train(new Adamax { GlobalClipNorm = 1, MaxDegreeOfParallelism = 1 }); // also has the code compiled
    Console.WriteLine("Helpers are refused.");
    long used = long.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[0]) * Environment.SystemPageSize;
    long[] limit = [used + room, used + room];
    Require(SetLimit(addressSpace, limit) == 0, "The limit is set.");
    Refused(() => new Thread(() => { }).Start());
    byte[] withoutHelpers = Train(new Adamax { GlobalClipNorm = 1, MaxDegreeOfParallelism = 8 });
    Require(alone.AsSpan().SequenceEqual(withoutHelpers), "The bits are the same.");
    foreach (string task in Directory.GetDirectories("/proc/self/task"))
        Require(!File.ReadAllText(Path.Combine(task, "comm")).StartsWith("Infinorm"), "There is no helper.");

    static byte[] Train(Adamax adamax)
    {
        var weights = new Variable<float>("weights", new float[Million]);
        adamax.Build(weights);
        float[] gradient = [.. Enumerable.Range(0, Million).Select(i => (i % 17) - 8f)];
        for (int step = 0; step < 3; step++)
            adamax.Apply([gradient]);
        return MemoryMarshal.AsBytes(weights.Span).ToArray();
    }
}

static float[] Filled(int length, float value)
{
    var values = new float[length];
    values.AsSpan().Fill(value);
    return values;
}

static string Refused(Action action)
{
    try
    {
        action();
    }
    catch (OutOfMemoryException e)
    {
        return e.Message;
    }

    throw new InvalidOperationException("There was enough.");
}

static void Require(bool condition, string what)
{
    if (!condition)
        throw new InvalidOperationException($"Not so: {what}");
}

[DllImport("libc", EntryPoint = "setrlimit")]
static extern int SetLimit(int resource, long[] limit);
