using System.Diagnostics;
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

    [Fact]
    public void AFunctionAsConstraintOpens()
    {
        KerasArchive archive = KerasArchive.Open(TestFile.PathOf("constraint-function.keras"));
        Assert.Equal(["hidden/kernel", "hidden/bias", "out/kernel", "out/bias"], archive.Weights.Select(weight => weight.Variable.Path));
        Refusal.Is<ArgumentException>(
            "hidden/kernel: the function \"mine\" is not known", () => new Adamax().Build(archive.TrainableVariables));
    }
}
