using CsCheck;
using Infinorm.Execution;
using Infinorm.Optimizers;
using Infinorm.Tests.Properties;
using Infinorm.Variables;

namespace Infinorm.Tests.Execution.Sharded;

/// <summary>Several ranks train one model: the bits are those of one rank, and those of a plain optimizer with the tree's mean.</summary>
public sealed class ShardedTests
{
    const int Updates = 4;

    public static TheoryData<string> Variants => [.. Registered.Variants];

    [Theory]
    [MemberData(nameof(Variants))]
    public void AnyNumberOfRanksGivesTheSameBits(string variant) =>
        Gen.Select(Settings.Of(variant), Gen.Int[0, 1000]).Sample(
            (settings, seed) =>
            {
                var model = new ShardedModel(seed);
                Outcome one = Assert.Single(Train(1, 8, settings, model, updates: 2));
                foreach (int ranks in (int[])[2, 4, 8])
                {
                    foreach (Outcome outcome in Train(ranks, 8, settings, model, updates: 2))
                        one.AssertEqual(outcome);
                }
            },
            iter: 1, threads: 1);

    public static TheoryData<string> OfBytes => [.. Registered.Variants.Where(variant => HasBytes(variant))];

    // Chunks of a variable are those of other ranks; blocks of codes, which share a scale, are not cut. Some parts are shorter than what has
    // codes at the least.
    [Theory]
    [MemberData(nameof(OfBytes))]
    public void SlotsOfOneByteAreDividedToo(string variant)
    {
        var settings = new Settings(Clip: Clip.GlobalNorm, UseEma: true, Narrow: Narrow.MasterWeights, Variant: variant, HasByteSlots: true);
        var model = new ShardedModel(13);
        Outcome one = Assert.Single(Train(1, 8, settings, model, save: true));
        foreach (int ranks in (int[])[2, 4, 8])
        {
            foreach (Outcome outcome in Train(ranks, 8, settings, model))
                one.AssertEqual(outcome);
        }

        byte[] file = Train(4, 8, settings, model, updates: 2, save: true)[0].File!;
        foreach (Outcome outcome in Train(2, 8, settings, model, from: 2, file: file))
            Assert.Equal(one.State.Concat(one.Weights), outcome.State.Concat(outcome.Weights));
    }

    static bool HasBytes(string variant)
    {
        try
        {
            Optimizer optimizer = new Settings(Variant: variant, HasByteSlots: true).Create();
            optimizer.Build(new Variable<float>("w", new float[8192]));
            return optimizer.Variables.Any(variable => variable.Path.EndsWith("_codes", StringComparison.Ordinal));
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            return false;
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AMultiOptimizerStepsOverRanks(bool isScaled)
    {
        var model = new ShardedModel(17);
        Run[] one = Ranks.Run(1, Steps);
        Assert.Equal(isScaled ? [StepResult.Updated, StepResult.Skipped, StepResult.Updated, StepResult.Updated] : Enumerable.Repeat(StepResult.Updated, Updates),
            one[0].Outcome.Infos.Select(info => info.Result));
        foreach (int ranks in (int[])[2, 4, 8])
        {
            foreach (Run run in Ranks.Run(ranks, Steps))
            {
                one[0].Outcome.AssertEqual(run.Outcome);
                Assert.Equal(one[0].Iterations, run.Iterations);
                Assert.Equal(one[0].Averages, run.Averages);
                Assert.True(one[0].Outcome.File.AsSpan().SequenceEqual(run.Outcome.File));
            }
        }

        Run Steps(World world)
        {
            Variable[] variables = model.MakeVariables();
            Optimizer optimizer = new MultiOptimizer(
                new Muon(0.1) { Name = "rest", GradientAccumulationSteps = 8 },
                new Dictionary<string, RuleOptimizer>
                {
                    [".*[1-4]"] = new Adamax(0.1) { Name = "four", GradientAccumulationSteps = 8, GlobalClipNorm = 1, UseEma = true },
                    ["none"] = new Sgd(0.1) { Name = "none" },
                    [".*5"] = new Lion(0.01) { Name = "five", GradientAccumulationSteps = 8 },
                })
            {
                Name = "multi",
            };
            optimizer = isScaled ? new LossScaleOptimizer(optimizer, initialScale: 4) { Name = "scaled" } : optimizer;
            optimizer.Over(world);
            optimizer.Build(variables);
            StepInfo[] infos = [.. Enumerable.Range(0, Updates).Select(update => Update(
                optimizer, world, model, update, 8, complete: false, isScaled ? (1, 5) : null))];
            var stream = new MemoryStream();
            optimizer.Save(stream);
            Outcome outcome = Outcome.Of(optimizer, variables, infos) with { File = stream.ToArray() };
            using (optimizer.UseAverages())
                return new Run(outcome, optimizer.Iterations, [.. variables.Select(variable => ShardedModel.Hash(variable.ToNdArray()))]);
        }
    }

    [Fact]
    public void OptimizersOfAMultiOptimizerDivideTheSameBatches()
    {
        Assert.All(Ranks.Failures(2, world => BuiltMulti(world, 4, 8)), e => Assert.Contains(
            "all its optimizers make an update of the same number of batches", Assert.IsType<InvalidOperationException>(e).Message, StringComparison.Ordinal));
        Assert.All(Ranks.Failures(2, world => BuiltMulti(world, 4, 4, world.Rank == 0 ? "a" : "b")), e => Assert.Matches(
            "Rank 0 has variable 0: a .*stepped by optimizer 0; rank 1 has variable 0: a .*stepped by optimizer 1", Assert.IsType<WorldException>(e).Message));

        // What was refused can be built once it is right.
        Assert.All(
            Ranks.Run(2, world =>
            {
                Assert.ThrowsAny<InvalidOperationException>(() => BuiltMulti(world, 4, 8));
                return BuiltMulti(world, 2, 2).IsBuilt;
            }), Assert.True);

        static Optimizer BuiltMulti(World world, int one, int other, string pattern = "a")
        {
            float[] values = [world.Rank];
            Optimizer optimizer = new MultiOptimizer(
                new Adamax(0.1) { GradientAccumulationSteps = one },
                new Dictionary<string, RuleOptimizer> { [pattern] = new Adam(0.1) { GradientAccumulationSteps = other } });
            optimizer.Over(world);
            try
            {
                optimizer.Build(new Variable<float>("a", values), new Variable<float>("b", new float[2]));
            }
            catch (InvalidOperationException)
            {
                Assert.Equal([world.Rank], values);
                throw;
            }

            return optimizer;
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ABatchWithoutGradientsIsZerosAndAnUpdateWithoutAnyIsRefusedOnAll(bool isMulti)
    {
        float[][] weights = [.. ((int[])[1, 2, 4]).SelectMany(ranks => Ranks.Run(ranks, world =>
        {
            float[] values = [1, 2];
            Optimizer optimizer = Inner();
            optimizer = isMulti ? new MultiOptimizer(Inner(), new Dictionary<string, RuleOptimizer> { ["w"] = Inner() }) : optimizer;
            optimizer.Over(world);
            Variable[] variables = [new Variable<float>("w", values), .. isMulti ? [new Variable<float>("other", new float[1])] : Array.Empty<Variable>()];
            optimizer.Build(variables);
            Step(batch => batch == 2);
            float[] before = [.. values];
            string message = Assert.Throws<ArgumentException>(() => Step(_ => false)).Message;
            Assert.Contains("no variable has a gradient in any of the 4 batches", message, StringComparison.Ordinal);
            Assert.Equal(before, values);
            Assert.Equal(isMulti ? 4 : 1, optimizer.Iterations);
            Step(batch => batch == 1);
            return values;

            void Step(Func<int, bool> hasGradient)
            {
                foreach (int batch in world.Share(Enumerable.Range(0, 4)))
                {
                    Gradient first = hasGradient(batch) ? (Gradient)new[] { 1f, batch } : default;
                    optimizer.Apply(isMulti ? [first, new[] { 1f }] : [first]);
                }
            }
        }))];
        Assert.All(weights, values => Assert.Equal(weights[0], values));

        static RuleOptimizer Inner() => new Adamax(0.1) { GradientAccumulationSteps = 4 };
    }

    [Theory]
    [InlineData(12, 1, 2, 4)]
    [InlineData(6, 1, 2, 2)]
    [InlineData(2, 1, 2, 2)]
    public void AnyNumberOfBatchesIsSummedInTheSameTree(int batches, params int[] counts)
    {
        var settings = new Settings(Clip: Clip.GlobalNorm, UseEma: true);
        Outcome one = Assert.Single(Train(1, batches, settings, new ShardedModel(5)));
        foreach (int ranks in counts)
        {
            foreach (Outcome outcome in Train(ranks, batches, settings, new ShardedModel(5)))
                one.AssertEqual(outcome);
        }
    }

    public static TheoryData<string> Plain => ["bare", "norm", "global norm", "value", "averages", "scaled", "dynamic"];

    [Theory]
    [MemberData(nameof(Plain))]
    public void TheBitsAreThoseOfAPlainOptimizerWithTheMeanOfTheTree(string kind)
    {
        const int batches = 8;
        Settings settings = kind switch
        {
            "norm" => new(Clip: Clip.Norm),
            "global norm" => new(Clip: Clip.GlobalNorm, WeightDecay: 0.1),
            "value" => new(Clip: Clip.Value),
            "averages" => new(UseEma: true, EmaOverwriteFrequency: 2),
            "scaled" => new(LossScaleFactor: 8, Clip: Clip.GlobalNorm),
            "dynamic" => new(HasDynamicScale: true),
            _ => new(),
        };
        var model = new ShardedModel(3, isFloat: true);
        Variable[] variables = model.MakeVariables();
        Optimizer plain = settings.Create();
        plain.Build(variables);
        var infos = new List<StepInfo>();
        for (int update = 0; update < Updates; update++)
        {
            Gradient[][] leaves = [.. Enumerable.Range(0, batches).Select(batch => Leaf(model, update, batch, complete: true))];
            infos.Add(plain.Apply([.. variables.Select((variable, i) => (Gradient)Mean(leaves, i, variable))]));
        }

        foreach (Outcome outcome in Train(4, batches, settings, model, complete: true))
        {
            Assert.Equal(variables.Select(variable => ShardedModel.Hash(variable.ToNdArray())), outcome.Weights);
            Assert.Equal(infos, outcome.Infos);
        }

        float[] Mean(Gradient[][] leaves, int variable, Variable of)
        {
            float[] sum = Sum(0, leaves.Length);
            return of.OverwriteWithGradient ? sum : [.. sum.Select(value => value / leaves.Length)];

            float[] Sum(int low, int high)
            {
                if (high - low == 1)
                {
                    var leaf = (float[])leaves[low][variable].Elements.Owner!;
                    return of.OverwriteWithGradient ? [.. leaf.Select(value => Math.Max(value, 0))] : leaf;
                }

                int middle = (low + high) / 2;
                return [.. Sum(low, middle).Zip(Sum(middle, high), (a, b) => of.OverwriteWithGradient ? Math.Max(a, b) : a + b)];
            }
        }
    }

    [Theory]
    [InlineData(Clip.None)]
    [InlineData(Clip.Norm)]
    [InlineData(Clip.GlobalNorm)]
    public void OfTwoBatchesTheBitsAreThoseOfPlainAccumulation(Clip clip)
    {
        var settings = new Settings(IsScheduled: true, Clip: clip, GradientAccumulationSteps: 2, Narrow: Narrow.StochasticRounding);
        var model = new ShardedModel(11);
        Variable[] variables = model.MakeVariables();
        Optimizer plain = settings.Create();
        plain.Build(variables);
        for (int call = 0; call < 2 * Updates; call++)
            plain.Apply(WithoutZeros(model.MakeGradients(call / 2, call % 2, isComplete: true)));
        Outcome[] outcomes = Ranks.Run(2, world =>
        {
            Variable[] own = model.MakeVariables();
            Optimizer optimizer = settings.Create();
            optimizer.Over(world);
            optimizer.Build(own);
            for (int update = 0; update < Updates; update++)
                optimizer.Apply(WithoutZeros(model.MakeGradients(update, world.Rank, isComplete: true)));
            return Outcome.Of(optimizer, own, []);
        });
        foreach (Outcome outcome in outcomes)
        {
            Assert.Equal(variables.Select(variable => ShardedModel.Hash(variable.ToNdArray())), outcome.Weights);
            Assert.Equal(plain.Variables.Select(variable => ShardedModel.Hash(variable.ToNdArray())), outcome.State);
        }

        // Of a variable whose gradient is missing in the last batch only, plain accumulation steps nothing.
        static Gradient[] WithoutZeros(Gradient[] gradients) =>
            [.. gradients.Select((gradient, i) => i is 0 or 2 or 4 or 9 ? gradient : default)];
    }

    // Gradients of one batch that fill a bucket alone are sent as they are, and weights that do so are gathered where they lie; others, of
    // another type, of rows, missing or of an odd length, are not.
    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    public void BucketsOfOneVariableNeedNoCopyAndHaveTheSameBits(int ranks)
    {
        const int chunk = 16 * 1024;
        int[] lengths = [(4 * chunk) + 3, 10 * chunk, 5 * chunk, 3 * chunk, 6 * chunk, 4 * chunk, 4 * chunk];
        string[] one = Ranks.Run(1, world => Steps(world, ranks))[0];
        foreach (string[] other in Ranks.Run(ranks, world => Steps(world, 1)))
            Assert.Equal(one, other);

        string[] Steps(World world, int batches)
        {
            world.BucketBytes = 2 * chunk * sizeof(float);
            Variable[] variables =
            [
                new Variable<float>("odd", new float[lengths[0]]), new Variable<float>("even", new float[lengths[1]]),
                new Variable<double>("double", new double[lengths[2]]), new Variable<Half>("half", new Half[lengths[3]]),
                new Variable<float>("rows", new float[lengths[4]], [lengths[4] / 8, 8]), new Variable<float>("of doubles", new float[lengths[5]]),
                new Variable<float>("replaced", new float[lengths[6]]) { OverwriteWithGradient = true },
            ];
            Optimizer optimizer = new Adamax(0.1) { GradientAccumulationSteps = ranks, GlobalClipNorm = 1, UseEma = true };
            optimizer.Over(world);
            optimizer.Build(variables);
            for (int update = 0; update < 3; update++)
            {
                for (int i = 0; i < batches; i++)
                {
                    int batch = (world.Rank * batches) + i;
                    float[] even = Values(1, update, batch);
                    double[] doubles = Array.ConvertAll(Values(2, update, batch), value => (double)value);
                    optimizer.Apply(
                    [
                        Values(0, update, batch), batch == 1 && update == 1 ? default : (Gradient)even, doubles,
                        update == 2 ? (Gradient)Array.ConvertAll(Values(3, update, batch), value => (Half)value) : Values(3, update, batch),
                        batch == 0 ? Gradient.Rows<float>(new[] { 3, 1, 3 }, Values(4, update, batch).AsMemory(0, 24)) : Values(4, update, batch),
                        batch == 0 ? Array.ConvertAll(Values(5, update, batch), value => (double)value) : Values(5, update, batch), Values(6, update, batch),
                    ]);
                    Assert.Equal(Values(1, update, batch), even);
                    Assert.Equal(Array.ConvertAll(Values(2, update, batch), value => (double)value), doubles);
                }
            }

            return [.. variables.Concat(optimizer.Variables).Select(variable => ShardedModel.Hash(variable.ToNdArray()))];
        }

        float[] Values(int variable, int update, int batch)
        {
            var random = new Random((update * 100) + (batch * 10) + variable);
            return [.. Enumerable.Range(0, lengths[variable]).Select(_ => random.NextSingle() - 0.4f)];
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void ANonFiniteBatchDropsTheUpdateOnAllRanks(int ranks)
    {
        var settings = new Settings(HasDynamicScale: true, UseEma: true, Clip: Clip.GlobalNorm);
        var model = new ShardedModel(7);
        Outcome[] outcomes = Train(ranks, 4, settings, model, breakAt: (1, 2));
        Assert.Equal([StepResult.Updated, StepResult.Skipped, StepResult.Updated, StepResult.Updated], outcomes[0].Infos.Select(info => info.Result));
        Outcome one = Train(1, 4, settings, model, breakAt: (1, 2))[0];
        foreach (Outcome outcome in outcomes)
            one.AssertEqual(outcome);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    public void EachRankKeepsItsPartOfTheState(int ranks)
    {
        Variable[] variables = [new Variable<float>("large", new float[40 * 16 * 1024]), new Variable<float>("small", new float[100])];
        long[] loads = new long[ranks];
        var map = Infinorm.Execution.Sharded.ShardMap.Divide(variables, [false, false], ranks, bucketBytes: 1 << 20);
        foreach (var piece in map.Buckets.SelectMany(bucket => bucket.Pieces))
        {
            Assert.Equal(0, piece.Start % (16 * 1024));
            loads[piece.Owner] += piece.Count;
        }

        Assert.Equal(variables.Sum(variable => variable.Length), loads.Sum());
        Assert.True(loads.Max() <= (loads.Sum() / ranks) + (16 * 1024), $"The loads are {string.Join(", ", loads)}.");
        Assert.True(map.Buckets.Length > 1);
    }

    [Fact]
    public void RanksThatDoNotDivideTheBatchesAreRefused()
    {
        Assert.All(Ranks.Failures(2, world => Built(world, batches: null)), e => Assert.Contains(
            "2 ranks divide the batches of an update; set GradientAccumulationSteps", Assert.IsType<InvalidOperationException>(e).Message, StringComparison.Ordinal));
        Assert.All(Ranks.Failures(3, world => Built(world, batches: 6)), e => Assert.Contains(
            "power of two that divides GradientAccumulationSteps, 6", Assert.IsType<InvalidOperationException>(e).Message, StringComparison.Ordinal));
        Assert.All(Ranks.Failures(4, world => Built(world, batches: 6)), e => Assert.Contains(
            "power of two that divides GradientAccumulationSteps, 6", Assert.IsType<InvalidOperationException>(e).Message, StringComparison.Ordinal));
    }

    [Fact]
    public void OtherSettingsAndModelsOnARankAreNamedOnAll()
    {
        Assert.All(
            Ranks.Failures(4, world => Built(world, batches: 4, rate: world.Rank == 2 ? 0.5 : 0.1)),
            e => Assert.Matches("Rank 0 has settings .*0.1.*rank 2 has settings .*0.5", Assert.IsType<WorldException>(e).Message));
        Assert.All(
            Ranks.Failures(2, world => Built(world, batches: world.Rank == 0 ? 4 : null)),
            e => Assert.Matches("Rank 0 has settings .*rank 1 has settings", Assert.IsType<WorldException>(e).Message));
        Assert.All(
            Ranks.Failures(2, world => Built(world, batches: 4, length: 3 + world.Rank)),
            e => Assert.Matches("Rank 0 has variable 0: w float32.*3.*rank 1 has variable 0: w float32.*4", Assert.IsType<WorldException>(e).Message));
    }

    [Fact]
    public void RanksOutOfStepAreNamed() => Assert.All(
        Ranks.Failures(2, world =>
        {
            Optimizer optimizer = Built(world, batches: 4);
            optimizer.Apply(new float[3]);
            if (world.Rank == 1)
            {
                // As if this rank had loaded another state.
                optimizer.SetWeights([.. optimizer.Variables.Select(variable => variable.ToNdArray())]);
                ((Variable<long>)optimizer.Variables[0]).Span[0] += 4;
            }
            else
            {
                _ = optimizer.Variables.Select(variable => variable.ToNdArray()).ToArray();
            }

            optimizer.Apply(new float[3]);
        }),
        e => Assert.Contains("out of step: rank 0 has made 2 calls, rank 1 6", Assert.IsType<WorldException>(e).Message, StringComparison.Ordinal));

    [Fact]
    public void ARateSetOnOneRankOnlyIsRefused() => Assert.All(
        Ranks.Failures(2, world =>
        {
            Optimizer optimizer = Built(world, batches: 2);
            if (world.Rank == 1)
                optimizer.LearningRate = 0.7;
            optimizer.Apply(new float[3]);
        }),
        e => Assert.Contains("rate or the loss scale on rank 1 is not that on rank 0", Assert.IsType<WorldException>(e).Message, StringComparison.Ordinal));

    [Fact]
    public void AllStartFromTheWeightsOfRank0()
    {
        float[][] weights = Ranks.Run(4, world =>
        {
            float[] values = [world.Rank, 10 + world.Rank, 3];
            Optimizer optimizer = new Adamax(0.1) { GradientAccumulationSteps = 4 };
            optimizer.Over(world);
            optimizer.Build(new Variable<float>("w", values));
            return values;
        });
        Assert.All(weights, values => Assert.Equal([0, 10, 3], values));
    }

    [Fact]
    public void ShareGivesEachRankItsRunOfTheBatchesOfAnUpdate()
    {
        int[][] parts = Ranks.Run(2, world =>
        {
            Built(world, batches: 4);
            return world.Share(Enumerable.Range(0, 10)).ToArray();
        });
        Assert.Equal([0, 1, 4, 5, 8, 9], parts[0]);
        Assert.Equal([2, 3, 6, 7], parts[1]);
        Assert.Throws<InvalidOperationException>(() => World.Threads(1)[0].Share([1]));
    }

    // Another order of these gives another sum.
    [Fact]
    public void AMeanIsAddedByTheNumbersOfBatches()
    {
        double[] losses = [.. Enumerable.Range(0, 21).Select(i => (i % 4) switch { 0 => 1e16, 1 => i, 2 => -1e16, _ => 0.1 * i })];
        double expected = losses.Aggregate(0.0, (sum, loss) => sum + loss) / losses.Length;
        Assert.NotEqual(expected, losses.Reverse().Aggregate(0.0, (sum, loss) => sum + loss) / losses.Length);
        foreach (int ranks in (int[])[1, 2, 4])
        {
            Assert.All(
                Ranks.Run(ranks, world =>
                {
                    Built(world, batches: 8);
                    return world.Mean([.. world.Share(losses)]);
                }), mean => Assert.Equal(expected, mean));
        }

        Assert.All(Ranks.Run(2, world => world.Mean(world.Rank)), mean => Assert.Equal(0.5, mean));
        Assert.All(Ranks.Run(2, world => world.Mean()), mean => Assert.Equal(double.NaN, mean));
    }

    [Theory]
    [InlineData(1, 4)]
    [InlineData(4, 1)]
    [InlineData(2, 8)]
    [InlineData(8, 2)]
    public void ACheckpointOfAnyNumberOfRanksGoesOnWithAnyOther(int saved, int resumed)
    {
        var settings = new Settings(Clip: Clip.GlobalNorm, UseEma: true, Narrow: Narrow.MasterWeights, IsScheduled: true);
        var model = new ShardedModel(21);
        Outcome straight = Train(1, 8, settings, model)[0];
        byte[] file = Train(saved, 8, settings, model, updates: 2, save: true)[0].File!;
        Assert.True(file.AsSpan().SequenceEqual(Train(1, 8, settings, model, updates: 2, save: true)[0].File));
        foreach (Outcome outcome in Train(resumed, 8, settings, model, from: 2, file: file))
            Assert.Equal(straight.State.Concat(straight.Weights), outcome.State.Concat(outcome.Weights));
    }

    [Fact]
    public void OneProcessReadsACheckpointOfRanks()
    {
        var settings = new Settings(UseEma: true, GradientAccumulationSteps: 8);
        var model = new ShardedModel(2);
        Outcome saved = Train(4, 8, settings, model, save: true)[0];
        Variable[] variables = model.MakeVariables();
        Optimizer plain = Optimizer.Load(new MemoryStream(saved.File!), variables);
        Assert.Equal(saved.State, plain.Variables.Select(variable => ShardedModel.Hash(variable.ToNdArray())));
        Assert.Equal(saved.Weights, variables.Select(variable => ShardedModel.Hash(variable.ToNdArray())));
    }

    [Fact]
    public void BetweenUpdatesNothingIsSaved() => Assert.All(
        Ranks.Failures(2, world =>
        {
            Optimizer optimizer = Built(world, batches: 4);
            optimizer.Apply(new float[3]);
            optimizer.Save(new MemoryStream());
        }),
        e => Assert.Contains("2 of 4 batches", Assert.IsType<InvalidOperationException>(e).Message, StringComparison.Ordinal));

    [Fact]
    public void ADiskThatFailsOnRank0FailsOnAllAndAllGoOn()
    {
        string folder = Directory.CreateTempSubdirectory().FullName, path = Path.Combine(folder, "none", "file");
        string[] messages = Ranks.Run(2, world =>
        {
            Optimizer optimizer = Built(world, batches: 2);
            string message = Assert.Throws<WorldException>(() => optimizer.Save(path)).Message;
            optimizer.Save(Path.Combine(folder, "file"));
            optimizer.Apply(new float[3]);
            return message;
        });
        Assert.All(messages, message => Assert.StartsWith("rank 0 of 2: ", message, StringComparison.Ordinal));
        Assert.Equal(["file"], Directory.GetFileSystemEntries(folder).Select(Path.GetFileName));
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void AveragesAreTheSameOnAllRanks(int ranks)
    {
        var settings = new Settings(UseEma: true, Narrow: Narrow.MasterWeights);
        string[][] values = Ranks.Run(ranks, world =>
        {
            (Optimizer optimizer, Variable[] variables) = Trained(world, settings);
            string[] before = Of(variables), averages;
            using (optimizer.UseAverages())
                averages = Of(variables);
            Assert.Equal(before, Of(variables));
            optimizer.FinalizeVariableValues();
            Assert.Equal(averages, Of(variables));
            return averages;
        });
        (Optimizer plain, Variable[] own) = Trained(World.Alone, settings);
        using (plain.UseAverages())
            Assert.All(values, averages => Assert.Equal(Of(own), averages));

        static string[] Of(Variable[] variables) => [.. variables.Select(variable => ShardedModel.Hash(variable.ToNdArray()))];

        static (Optimizer Optimizer, Variable[] Variables) Trained(World world, Settings settings)
        {
            var model = new ShardedModel(9);
            Variable[] variables = model.MakeVariables();
            Optimizer optimizer = Over(world, settings with { GradientAccumulationSteps = 4 }, variables);
            for (int update = 0; update < 3; update++)
                Update(optimizer, world, model, update, 4, complete: false, breakAt: default);
            return (optimizer, variables);
        }
    }

    [Fact]
    public void AConstraintThatThrowsOnOneRankFailsOnAll() => Assert.All(
        Ranks.Failures(2, world =>
        {
            Optimizer optimizer = new Adamax(0.1) { GradientAccumulationSteps = 2 };
            optimizer.Over(world);
            optimizer.Build(new Variable<float>("w", new float[3]) { Constraint = new Failing() });
            optimizer.Apply(new float[3]);
        }),
        e => Assert.Contains("the step failed in the middle", Assert.IsAssignableFrom<InvalidOperationException>(e).Message, StringComparison.Ordinal));

    public static TheoryData<string> Refusals => ["length", "count", "none of it", "rows", "order", "rule", "rate", "memory"];

    // In a call that accumulates and in one that updates.
    [Theory]
    [MemberData(nameof(Refusals))]
    public void WhatOneRankRefusesIsRefusedByAllAndNothingHasChanged(string kind)
    {
        foreach (int bad in (int[])[0, 1])
        {
            (string Message, float[] Weights)[] ranks = Ranks.Run(2, world =>
            {
                var weights = new Variable<float>("w", new float[3]);
                var table = new Variable<float>("table", new float[4], [2, 2]);
                bool fails = false;
                Optimizer optimizer = new Refusing(new(() => fails && kind == "rate" ? double.NaN : 0.1), () => fails && kind == "rule") { GradientAccumulationSteps = 4 };
                optimizer.Over(world);
                optimizer.Build(weights, table);
                Update();
                float[] before = [.. weights.Span];
                string message = Assert.Throws<WorldException>(() =>
                {
                    for (int batch = 0; batch < 2; batch++)
                    {
                        fails = world.Rank == 1 && batch == (kind is "rate" or "rule" ? 1 : bad);
                        if (fails)
                            Refused();
                        else
                            optimizer.Apply(new float[3], new float[4]);
                    }
                }).Message;
                fails = false;
                Assert.Equal(before, weights.Span);
                Assert.Equal(1, optimizer.Iterations);
                Update();
                Assert.Equal(2, optimizer.Iterations);
                return (message, weights.Span.ToArray());

                void Refused() => _ = kind switch
                {
                    "length" => optimizer.Apply(new float[2], new float[4]),
                    "count" => optimizer.Apply(new float[3]),
                    "none of it" => optimizer.Apply(new Gradient[] { new float[3] }, [weights, table]),
                    "rows" => optimizer.Apply(new float[3], Gradient.Rows([7], new float[2])),
                    "order" => optimizer.Apply(new Gradient[] { new float[3], new float[3] }, [weights, weights]),
                    "memory" => optimizer.Apply(weights.Memory, new float[4]),
                    _ => optimizer.Apply(new float[3], new float[4]),
                };

                void Update()
                {
                    foreach (int batch in world.Share(Enumerable.Range(0, 4)))
                        optimizer.Apply(new float[] { 1, batch, 2 }, new float[4]);
                }
            });
            Assert.StartsWith("rank 1 of 2: ", ranks[0].Message, StringComparison.Ordinal);
            Assert.Contains(
                kind switch
                {
                    "length" => "ArgumentException: w: gradient has 2 elements, the variable has 3",
                    "count" => "1 gradients, the optimizer was built for 2 variables",
                    "none of it" => "1 gradients for 2 variables",
                    "rows" => "table: ",
                    "order" => "w: the variable is listed twice",
                    "rule" => "InvalidDataException: no rule",
                    "rate" => "it must be finite",
                    _ => "w: the gradient overlaps the variable w in memory",
                },
                ranks[0].Message, StringComparison.Ordinal);
            Assert.All(ranks, rank => Assert.Equal(ranks[0].Message, rank.Message));
            Assert.All(ranks, rank => Assert.Equal(ranks[0].Weights, rank.Weights));
        }
    }

    [Fact]
    public void AMultiOptimizerRefusesOnAllWhatOneOfItsOptimizersRefuses() => Assert.All(
        Ranks.Failures(2, world =>
        {
            var optimizer = new MultiOptimizer(
                new Adamax { GradientAccumulationSteps = 2 }, new Dictionary<string, RuleOptimizer> { ["b"] = new Adam { GradientAccumulationSteps = 2 } });
            optimizer.Over(world);
            optimizer.Build(new Variable<float>("a", new float[2]), new Variable<float>("b", new float[2]));
            optimizer.Apply(new float[2], new float[world.Rank == 1 ? 2 : 3]);
        }),
        e => Assert.Equal(
            "rank 0 of 2: ArgumentException: b: gradient has 3 elements, the variable has 2.", Assert.IsType<WorldException>(e).Message));

    [Theory]
    [InlineData("none", "there are no variables to train")]
    [InlineData("twice", "w: the variable is listed twice")]
    [InlineData("count", "Rank 0 has no more variables; rank 1 has variable 1: v ")]
    public void WhatOneRankCannotBuildIsRefusedByAll(string kind, string expected) => Assert.All(
        Ranks.Failures(2, world =>
        {
            Optimizer optimizer = new Adamax(0.1) { GradientAccumulationSteps = 2 };
            optimizer.Over(world);
            var w = new Variable<float>("w", new float[3]);
            Variable[] variables = world.Rank == 0 ? [w] : kind == "none" ? [] : [w, kind == "twice" ? w : new Variable<float>("v", new float[1])];
            optimizer.Build(variables);
        }),
        e => Assert.Contains(expected, Assert.IsType<WorldException>(e).Message, StringComparison.Ordinal));

    public static TheoryData<string, string> Strays => new()
    {
        { "save", "rank 0 is in Save, rank 1 in a call of Apply that updates" },
        { "restore", "rank 0 is in Restore, rank 1 in a call of Apply that updates" },
        { "read", "rank 0 is in a call that reads the optimizer's variables, rank 1 in a call of Apply that updates" },
        { "mean", "rank 0 is in a call that gathers values, such as Mean or Fit, rank 1 in a call of Apply that updates" },
    };

    [Theory]
    [MemberData(nameof(Strays))]
    public void ACallThatOneRankAloneMakesIsNamedOnAll(string kind, string expected) => Assert.All(
        Ranks.Failures(2, world =>
        {
            Optimizer optimizer = Built(world, batches: 2);
            if (world.Rank == 1)
                optimizer.Apply(new float[3]);
            else if (kind == "save")
                optimizer.Save(new MemoryStream());
            else if (kind == "restore")
                optimizer.Restore(new MemoryStream());
            else if (kind == "mean")
                world.Mean(1);
            else
                optimizer.Variables[^1].ToNdArray();
        }),
        e => Assert.Contains($"The ranks make different calls: {expected}", Assert.IsType<WorldException>(e).Message, StringComparison.Ordinal));

    [Fact]
    public void AFileThatOneRankDoesNotSeeIsRefusedByAll()
    {
        string path = Path.GetTempFileName();
        Assert.All(
            Ranks.Failures(2, world =>
            {
                Optimizer optimizer = Built(world, batches: 2);
                optimizer.Save(path);
                optimizer.Restore(world.Rank == 0 ? path : path + ".none");
            }),
            e => Assert.StartsWith("rank 1 of 2: FileNotFoundException", Assert.IsType<WorldException>(e).Message, StringComparison.Ordinal));
        File.Delete(path);
    }

    static Optimizer Built(World world, int? batches, double rate = 0.1, int length = 3)
    {
        Optimizer optimizer = new Adamax(rate) { GradientAccumulationSteps = batches };
        optimizer.Over(world);
        optimizer.Build(new Variable<float>("w", new float[length]));
        return optimizer;
    }

    static Optimizer Over(World world, Settings settings, Variable[] variables)
    {
        Optimizer optimizer = settings.Create();
        optimizer.Over(world);
        optimizer.Build(variables);
        return optimizer;
    }

    static Outcome[] Train(
        int ranks, int batches, Settings settings, ShardedModel model, bool complete = false, (int Update, int Batch)? breakAt = null,
        int from = 0, int updates = Updates, bool save = false, byte[]? file = null) => Ranks.Run(ranks, world =>
    {
        Variable[] variables = model.MakeVariables();
        Optimizer optimizer = Over(world, settings with { GradientAccumulationSteps = batches }, variables);
        if (file is not null)
            optimizer.Restore(new MemoryStream(file));
        StepInfo[] infos =
        [
            .. Enumerable.Range(from, updates - from).Select(update => Update(optimizer, world, model, update, batches, complete, breakAt)),
        ];
        Outcome outcome = Outcome.Of(optimizer, variables, infos);
        if (!save)
            return outcome;
        var stream = new MemoryStream();
        optimizer.Save(stream);
        return outcome with { File = stream.ToArray() };
    });

    static StepInfo Update(
        Optimizer optimizer, World world, ShardedModel model, int update, int batches, bool complete, (int Update, int Batch)? breakAt)
    {
        StepInfo info = default;
        foreach (int batch in world.Share(Enumerable.Range(0, batches)))
        {
            Gradient[] gradients = Leaf(model, update, batch, complete);
            if ((update, batch) == breakAt)
                gradients[0] = new[] { float.PositiveInfinity };
            info = optimizer.Apply(gradients);
        }

        return info;
    }

    static Gradient[] Leaf(ShardedModel model, int update, int batch, bool complete) => model.MakeGradients(update, batch, complete);

    sealed record Run(Outcome Outcome, long Iterations, string[] Averages);

    sealed record Outcome(string[] Weights, string[] State, StepInfo[] Infos)
    {
        public byte[]? File { get; init; }

        public static Outcome Of(Optimizer optimizer, Variable[] variables, StepInfo[] infos) => new(
            [.. variables.Select(variable => ShardedModel.Hash(variable.ToNdArray()))],
            [.. optimizer.Variables.Select(variable => ShardedModel.Hash(variable.ToNdArray()))], infos);

        public void AssertEqual(Outcome other)
        {
            Assert.Equal(Weights, other.Weights);
            Assert.Equal(State, other.State);
            Assert.Equal(Infos, other.Infos);
        }
    }

    sealed class Failing : Infinorm.Constraints.Constraint
    {
        protected internal override void Apply<T>(Span<T> values, ReadOnlySpan<nint> shape) => throw new InvalidDataException("no");
    }

    // Fails where it is told to.
    sealed class Refusing(Infinorm.Schedules.LearningRate rate, Func<bool> fails) : RuleOptimizer(rate)
    {
        protected override void DefineSlots(Infinorm.Rules.Slots slots)
        {
        }

        protected override void UpdateStep<L>(Infinorm.Rules.RuleContext<L> context)
        {
            if (fails())
                throw new InvalidDataException("no rule");
            context.Run(new Rule<L>(context.LearningRate));
        }

        readonly struct Rule<L>(L rate) : Infinorm.Rules.IRule0<L>
            where L : struct, Infinorm.Rules.ILane<L>
        {
            public void Step(ref L weight, L gradient) => weight -= rate * gradient;
        }
    }
}
