using Infinorm.Execution;
using Infinorm.Tests.Execution.Sharded;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests;

/// <summary>Several ranks, threads here, train a module together.</summary>
public sealed class ShardedModelTests
{
    const int Batches = 4, Updates = 3;

    [Fact]
    public void AnyNumberOfRanksGivesTheSameParameters()
    {
        float[] one = Assert.Single(Train(1));
        foreach (int ranks in (int[])[2, 4])
            Assert.All(Train(ranks), parameters => Assert.Equal(one, parameters));
    }

    [Fact]
    public void WhatABatchThatIsDroppedDidToTheBuffersIsUndone()
    {
        using var scope = NewDisposeScope();
        nn.Module<Tensor, Tensor> model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4));
        using TorchOptimizer optimizer = new LossScaleOptimizer(new Adamax(0.01) { GradientAccumulationSteps = 2 }).For(model, World.Alone);
        float[][] seen = [.. ((float[])[1, float.PositiveInfinity, 1, 2]).Select(factor =>
        {
            optimizer.zero_grad();
            model.call(arange(40, float32).mul(factor).sin().reshape(8, 5)).sum().backward();
            optimizer.step();
            return model.buffers().SelectMany(buffer => buffer.to(float32).data<float>().ToArray()).ToArray();
        })];
        Assert.Equal(StepResult.Updated, optimizer.LastStep!.Value.Result);
        Assert.All(seen[..3], values => Assert.Equal([0, 0, 0, 0, 1, 1, 1, 1, 0], values));
        Assert.All(seen[3][..8], value => Assert.True(float.IsFinite(value) && value is not (0 or 1)));
        Assert.Equal(2, seen[3][8]);

        // What somebody sets between updates stays.
        using (no_grad())
            model.buffers().First().fill_(7);
        optimizer.zero_grad();
        model.call(ones(8, 5)).sum().backward();
        optimizer.step();
        Assert.Equal(7, model.buffers().First().mean().item<float>());
    }

    [Fact]
    public void AClosureThatThrowsOnOneRankFailsOnAllAndTheNextUpdateIsDone()
    {
        Exception?[] failures = Ranks.Run(2, world =>
        {
            using var scope = NewDisposeScope();
            nn.Module<Tensor, Tensor> model = nn.Linear(5, 4);
            using TorchOptimizer optimizer = new Adamax(0.01) { GradientAccumulationSteps = 4 }.For(model, world);
            float[] before = Values();
            Exception? failure = Record.Exception(() =>
            {
                for (int batch = 0; batch < 2; batch++)
                    optimizer.step(() => world.Rank == 1 ? throw new InvalidDataException("no data") : Loss());
            });
            Assert.Equal(before, Values());
            for (int batch = 0; batch < 2; batch++)
                optimizer.step(Loss);
            Assert.Equal(1, optimizer.Optimizer.Iterations);
            Assert.NotEqual(before, Values());
            return failure;

            float[] Values() => [.. model.parameters().SelectMany(tensor => tensor.data<float>().ToArray())];

            Tensor Loss()
            {
                optimizer.zero_grad();
                Tensor loss = model.call(ones(8, 5)).sum();
                loss.backward();
                return loss;
            }
        });
        Assert.All(failures, e => Assert.Equal("rank 1 of 2: InvalidDataException: no data", Assert.IsType<WorldException>(e).Message));
    }

    // Each rank begins with other parameters and buffers; rank 0's are those of all.
    static float[][] Train(int ranks) => Ranks.Run(ranks, TrainOn);

    static float[] TrainOn(World world)
    {
        using var scope = NewDisposeScope();
        nn.Module<Tensor, Tensor> model = nn.Sequential(nn.Linear(5, 300), nn.ReLU(), nn.Linear(300, 200), nn.BatchNorm1d(200));
        foreach (Tensor tensor in model.parameters().Concat(model.buffers()))
            Fill(tensor, world.Rank);
        using Tensor mask = full(3, float.NegativeInfinity, float64);
        model.register_buffer("mask", mask);
        using TorchOptimizer optimizer = new Adamax(0.01) { GradientAccumulationSteps = Batches, GlobalClipNorm = 1 }.For(model, world);
        Assert.All(model.buffers().Take(3), buffer => Assert.Equal(0, buffer.to(float32).sum().item<float>()));
        foreach (int batch in world.Share(Enumerable.Range(0, Batches * Updates)))
        {
            Tensor x = arange(40, float32).mul(0.1 * (batch + 1)).sin().reshape(8, 5);
            optimizer.zero_grad();
            model.call(x).pow(2).mul(arange(200, float32)).mean().backward();
            optimizer.step();
        }

        Assert.Equal(Batches * Updates, model.named_buffers().Single(named => named.name.EndsWith("num_batches_tracked", StringComparison.Ordinal)).buffer.item<long>());
        return [.. model.parameters().Concat(model.buffers()).SelectMany(tensor => tensor.to(float32).data<float>().ToArray())];
    }

    static void Fill(Tensor tensor, int rank)
    {
        using var noGradient = no_grad();
        if (rank == 0 && tensor.requires_grad)
            tensor.copy_(arange(tensor.NumberOfElements, float32).sin().mul(0.1).reshape(tensor.shape));
        else
            tensor.fill_(rank);
    }
}
