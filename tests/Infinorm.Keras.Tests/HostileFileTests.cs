using System.Diagnostics;
using Infinorm.Checkpoints;
using Infinorm.Optimizers;
using Infinorm.Tests;

namespace Infinorm.Keras.Tests;

/// <summary>Files that cost much for their size, or break off where a reader does not expect it.</summary>
public class HostileFileTests
{
    [Theory]
    [InlineData("json-bomb-16k.keras", "config.json: It holds more than")]
    [InlineData("long-names-295k.weights.h5", "reaches beyond the file's end")]
    [InlineData("zip-compressed-size.keras", "zip file")]
    public void AreRefusedWithinTheirBounds(string name, string problem)
    {
        string path = TestFile.PathOf(name);
        long before = GC.GetAllocatedBytesForCurrentThread();
        var clock = Stopwatch.StartNew();
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => KerasArchive.Open(path));
        Assert.True(e.Message.Contains(problem), e.Message[^Math.Min(300, e.Message.Length)..]);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, (64 << 20) + (4 * new FileInfo(path).Length));
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 20); // on a machine that is busy
    }

    public static TheoryData<string> Structures => [.. HostileFiles.All.Keys];

    [Theory]
    [MemberData(nameof(Structures))]
    public void EachStructureIsOpenedOrRefusedWithinItsBounds(string name)
    {
        foreach (int length in (int[])[16 << 10, 3 << 20, 12 << 20])
        {
            byte[] file = HostileFiles.All[name](length);
            long before = GC.GetAllocatedBytesForCurrentThread();
            var clock = Stopwatch.StartNew();
            string outcome = "opened";
            try
            {
                KerasArchive.Open(name, new MemoryStream(file));
            }
            catch (InvalidFileException e)
            {
                outcome = e.Message;
            }

            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            // All that was allocated, which is more than is held at once; eng/fuzz limits that.
            Assert.True(allocated <= (64L << 20) + (16L * file.Length), $"{name}, {file.Length} bytes: {allocated} bytes allocated; {outcome}");
            Assert.InRange(clock.Elapsed.TotalSeconds, 0, 20);
            Assert.DoesNotContain("signature", outcome); // what the structure costs was not tried
        }
    }

    [Fact]
    public void AFunctionAsConstraintOpens()
    {
        KerasArchive archive = KerasArchive.Open(TestFile.PathOf("constraint-function.keras"));
        Assert.Equal(["hidden/kernel", "hidden/bias", "out/kernel", "out/bias"], archive.Weights.Select(weight => weight.Variable.Path));
        Refusal.Is<ArgumentException>(
            "hidden/kernel: the constraint mine is a function, and is not known. Set the variable's property Constraint.", () => new Adamax().Build(archive.TrainableVariables));
    }
}
