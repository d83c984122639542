using Infinorm.Torch.Training;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

[Collection(nameof(Alone))]
public sealed class TensorBatchesTests
{
    readonly Tensor _inputs = arange(10).unsqueeze(1), _targets = arange(10) * 10;

    [Fact]
    public void BatchesMayBeKept()
    {
        using Tensor inputs = arange(10).reshape(10, 1), targets = arange(10);
        foreach (bool shuffle in (bool[])[false, true])
        {
            var batches = new TensorBatches(inputs, targets, 4, shuffle);
            List<Batch> list = [.. batches];
            Assert.Equal([4L, 4L, 2L], list.Select(batch => batch.Input.shape[0]));
            Assert.Equal(45, list.Sum(batch => batch.Target.sum().item<long>()));
            Assert.Equal([4, 1], batches.First().Input.shape);
        }
    }

    [Fact]
    public void GivesEachExampleOnceAnEpochInANewOrder()
    {
        var batches = new TensorBatches(_inputs, _targets, batchSize: 4);
        manual_seed(1);
        long[] first = Order(batches), second = Order(batches);
        Assert.Equal(3, batches.Count);
        Assert.Equal(Enumerable.Range(0, 10).Select(i => (long)i), first.Order());
        Assert.Equal(first.Order(), second.Order());
        Assert.NotEqual(first, second);
        manual_seed(1);
        Assert.Equal(first, Order(batches));
    }

    [Fact]
    public void KeepsTheOrderIfNotShuffledAndDropsAShortBatchIfAsked()
    {
        var batches = new TensorBatches(_inputs, _targets, batchSize: 4, shuffle: false, dropLast: true);
        Assert.Equal(2, batches.Count);
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7], Order(batches));
        Assert.Equal([4, 4, 2], new TensorBatches(_inputs, _targets, batchSize: 4).Select(batch => batch.Input.shape[0]));
    }

    [Fact]
    public void SplitsOffTheLastExamples()
    {
        (TensorBatches training, TensorBatches validation) = new TensorBatches(_inputs, _targets, batchSize: 4).Split(0.25);
        Assert.Equal([0, 1, 2, 3, 4, 5, 6], Order(training).Order());
        Assert.Equal([7, 8, 9], Order(validation));
    }

    static long[] Order(TensorBatches batches) => [.. batches.SelectMany(batch =>
    {
        Assert.True((batch.Input.squeeze(1) * 10).eq(batch.Target).all().item<bool>());
        return batch.Input.data<long>().ToArray();
    })];
}
