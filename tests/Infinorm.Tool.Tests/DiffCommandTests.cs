using Infinorm.Optimizers;
using Infinorm.Tests.Checkpoints;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tool.Tests;

public sealed class DiffCommandTests : IDisposable
{
    const string Header = "tensor\tdiffers in\telements\tmax abs\tmax ulp\tat\n";

    readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Command.KerasFiles), MemberType = typeof(Command))]
    public void AFileIsLikeItself(string name) => Assert.Equal("", Command.Succeed("diff", Command.Golden(name), Command.Golden(name)).Output);

    [Theory]
    [InlineData("dense_float_lr")]
    [InlineData("dense_loss_scale")]
    [InlineData("conv_ema")]
    public void AWeightsFileIsReadWithTheModelItIsComparedWith(string name)
    {
        string archive = Command.Golden(name + ".keras"), weights = Command.Golden(name + ".weights.h5");
        Assert.Equal("", Command.Succeed("diff", archive, weights).Output);
        Assert.Equal("", Command.Succeed("diff", weights, archive).Output);
    }

    [Fact]
    public void ATensorThatCannotBeReadIsNotCalledTheSameInSilence()
    {
        byte[] header = [.. """{"q":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}"""u8];
        foreach (byte value in new byte[] { 1, 2 })
            File.WriteAllBytes(_folder / $"{value}.safetensors", [.. BitConverter.GetBytes((long)header.Length), .. header, value, value]);
        Command diff = Command.Run("diff", _folder / "1.safetensors", _folder / "2.safetensors");
        Assert.Equal(
            string.Concat(new[] { 1, 2 }.Select(
                i => $"infinorm: note: {_folder / $"{i}.safetensors"}: not compared, as its type cannot be read here: q I8[2]\n")),
            diff.Error);
        Assert.Contains("not of a type that can be read here: q I8[2]", Command.Succeed("inspect", _folder / "1.safetensors").Output);
    }

    [Fact]
    public void TheLargestDifferenceIsFoundWithItsPlace()
    {
        var values = new float[2, 100_000]; // many pieces
        float[] a = [.. values.Cast<float>()], b = [.. a];
        (a[5], b[5]) = (1f, MathF.BitIncrement(1f));
        (a[150_000], b[150_000]) = (-1f, 3f);
        Write("a", ("x", NdArray.Create(a, 2, 100_000)), ("same", NdArray.Create([1f])));
        Write("b", ("x", NdArray.Create(b, 2, 100_000)), ("same", NdArray.Create([1f])));
        ulong ulp = 0x3F800000 + 0x40400000; // from −1 over 0 to 3
        Differ($"x\tvalues\t2/200000\t4\t{ulp}\t[1, 50000]\n");
    }

    [Theory]
    [InlineData(1.0, 1.0000000000000002, "2.22045E-16", "1")]
    [InlineData(0.0, -0.0, "0", "0")]
    [InlineData(1.0, double.NaN, "NaN", "0")]
    [InlineData(double.MaxValue, double.PositiveInfinity, "Infinity", "1")]
    [InlineData(-double.Epsilon, double.Epsilon, "9.88131E-324", "2")]
    public void ADifferenceIsMeasuredInUnitsInTheLastPlace(double a, double b, string abs, string ulp)
    {
        Write("a", ("x", NdArray.Create([a])));
        Write("b", ("x", NdArray.Create([b])));
        Differ($"x\tvalues\t1/1\t{abs}\t{ulp}\t[0]\n");
    }

    [Fact]
    public void NumbersOfEveryTypeAreCompared()
    {
        Write("a", ("h", NdArray.Create([(Half)1])), ("i", NdArray.Create([int.MinValue])), ("l", NdArray.Create([long.MinValue, long.MaxValue - 1])),
            ("b", NdArray.Create([(BFloat16)1f])));
        Write("b", ("h", NdArray.Create([Half.BitIncrement((Half)1)])), ("i", NdArray.Create([int.MaxValue])), ("l", NdArray.Create([long.MinValue, long.MaxValue])),
            ("b", NdArray.Create([(BFloat16)1.0078125f])));
        Differ("l\tvalues\t1/2\t0\t1\t[1]\n"
            + $"i\tvalues\t1/1\t4.29497E+09\t{uint.MaxValue}\t[0]\n"
            + "h\tvalues\t1/1\t0.000976562\t1\t[0]\n"
            + "b\tvalues\t1/1\t0.0078125\t1\t[0]\n");
    }

    [Fact]
    public void OtherTypesShapesAndNamesDiffer()
    {
        Write("a", ("type", NdArray.Create([1f, 2f])), ("shape", NdArray.Create([1f, 2f])), ("a", NdArray.Create([1f])));
        Write("b", ("type", NdArray.Create([1.0, 2.5])), ("shape", NdArray.Create([1f, 2f], 2, 1)), ("b", NdArray.Create([1L])));
        Differ("type\ttype: float32, float64\t1/2\t0.5\t-\t[1]\n"
            + "shape\tshape: float32[2], float32[2, 1]\t-\t-\t-\t-\n"
            + "a\tA has float32[1], B nothing\t-\t-\t-\t-\n"
            + "b\tA has nothing, B int64[1]\t-\t-\t-\t-\n");
    }

    [Fact]
    public void TheWidthOfIntegersIsNoDifferenceButTheirValueIs()
    {
        Write("a", ("iterations", NdArray.Create([4])));
        Write("b", ("iterations", NdArray.Create([4L])));
        Assert.Equal("", Command.Succeed("diff", _folder / "a.safetensors", _folder / "b.safetensors").Output);
        Write("b", ("iterations", NdArray.Create([5L])));
        Differ("iterations\ttype: int32, int64\t1/1\t1\t-\t[0]\n");
    }

    [Fact]
    public void SettingsDiffer()
    {
        Save("a", new Adamax(0.1, beta1: 0.8) { ClipValue = 1 }, exclude: true);
        Save("b", new Adamax(0.1) { ClipValue = 1, FloatX = DType.Float64 }, exclude: false);
        string[][] rows = Command.Run("diff", _folder / "a.safetensors", _folder / "b.safetensors").Rows;
        Assert.Equal([["setting", "A", "B"], ["beta_1", "0.8", "0.9"], ["floatx", "float32", "float64"], ["weight_decay_exclusions", "[\"x\"]", "[]"], [""]],
            rows[..5]);
        Assert.Equal(["optimizer/learning_rate", "type: float32, float64"], rows[^1][..2]);
    }

    [Fact]
    public void GroupsOfVariablesAreSettings()
    {
        Save("a", new Adamax { Name = "same" }, exclude: false);
        Save("b", new Adamax { Name = "same" }, exclude: false, groupDecay: 0.5);
        string[][] rows = Command.Run("diff", _folder / "a.safetensors", _folder / "b.safetensors").Rows;
        Assert.Equal(["groups", "nothing", "[{\"learning_rate\": null, \"weight_decay\": 0.5}]"], rows[1]);
        Assert.Equal(["group_of", "nothing", "{\"x\": 0}"], rows[2]);
    }

    [Fact]
    public void AFileWithoutSettingsDiffersFromOneWith()
    {
        Save("a", new Adamax(), exclude: false);
        Write("b", ("variables/x", NdArray.Create([0f])));
        string[][] rows = Command.Run("diff", _folder / "b.safetensors", _folder / "a.safetensors").Rows;
        Assert.Equal(["(all)", "nothing", "an optimizer"], rows[1]);
    }

    [Fact]
    public void NamesOfOptimizersDoNotCount()
    {
        Save("a", new Adamax { Name = "one" }, exclude: false);
        Save("b", new Adamax { Name = "two" }, exclude: false);
        Assert.Equal("", Command.Succeed("diff", _folder / "a.safetensors", _folder / "b.safetensors").Output);
    }

    void Differ(string rows)
    {
        Command command = Command.Run("diff", _folder / "a.safetensors", _folder / "b.safetensors");
        Assert.Equal(Header + rows, command.Output);
        Assert.Equal("", command.Error);
        Assert.Equal(1, command.ExitCode);
    }

    void Write(string name, params (string, NdArray)[] tensors) => Command.WriteSafetensors(_folder / (name + ".safetensors"), tensors);

    void Save(string name, Adamax optimizer, bool exclude, double? groupDecay = null)
    {
        var variable = new Variable<float>("x", new float[1]);
        if (exclude)
            optimizer.ExcludeFromWeightDecay([variable]);
        optimizer.Build(new VariableGroup(variable) { WeightDecay = groupDecay });
        optimizer.Save(_folder / (name + ".safetensors"));
    }
}
