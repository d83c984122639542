using Infinorm.Torch.Training;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

[Collection(nameof(Alone))]
public sealed class DataLoadersTests
{
    [Fact]
    public void PairsTheTensorsOfALoader()
    {
        using var dataset = utils.data.TensorDataset(arange(6), arange(6) * 2);
        using var loader = utils.data.DataLoader(dataset, 4);
        Assert.Equal(2, loader.Pairs().Count);
        Assert.Equal(["0,1,2,3|0,2,4,6", "4,5|8,10"], loader.Pairs().Select(Text));
    }

    [Fact]
    public void PairsTheNamedTensorsOfALoader()
    {
        using var loader = utils.data.DataLoader(new Named(), 2);
        Assert.Equal(["0,1|0,-1", "2|-2"], loader.Pairs().Select(Text));
        Assert.Equal(["0,-1|0,1", "-2|2"], loader.Pairs("label", "data").Select(Text));
        Assert.Equal(
            "A batch of the loader has no tensor 'target'; it has data, label.",
            Assert.Throws<ArgumentException>(() => loader.Pairs("data", "target").ToList()).Message);
    }

    [Fact]
    public void RefusesBatchesThatAreNoPairs()
    {
        using var dataset = utils.data.TensorDataset(arange(6));
        using var loader = utils.data.DataLoader(dataset, 4);
        Assert.Equal(
            "A batch of the loader has 1 tensors; it needs two, the input and the target.",
            Assert.Throws<ArgumentException>(() => loader.Pairs().ToList()).Message);
    }

    static string Text(Batch batch) =>
        $"{string.Join(",", batch.Input.data<long>().ToArray())}|{string.Join(",", batch.Target.data<long>().ToArray())}";

    sealed class Named : utils.data.Dataset
    {
        public override long Count => 3;

        public override Dictionary<string, Tensor> GetTensor(long index) => new() { ["data"] = tensor(index), ["label"] = tensor(-index) };
    }
}
