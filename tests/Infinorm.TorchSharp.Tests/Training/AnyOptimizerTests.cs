using Infinorm.Checkpoints;
using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

/// <summary>Training with the optimizers of <c>torch.optim</c>.</summary>
[Collection(nameof(Alone))]
public sealed class AnyOptimizerTests : IDisposable
{
    readonly string _file = Path.Combine(Directory.CreateTempSubdirectory().FullName, "run.safetensors");
    readonly Problem _problem = new();

    public static TheoryData<string> Names => ["Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop", "ASGD"];

    [Theory]
    [MemberData(nameof(Names))]
    public void StepsAsALoopWrittenByHand(string name)
    {
        using Problem trained = new(), byHand = new();
        using optim.Optimizer one = Make(name, trained.Model), other = Make(name, byHand.Model);
        History history = With(trained, one).Fit(trained.Data, epochs: 2, new() { Seed = 9 });

        long step = byHand.TrainByHand(seed: 9, epochs: 2, () => other.step());
        Assert.Equal((18, 18, 0, 0), (step, history.Steps, history.SkippedSteps, history.PendingBatches));
        Assert.Equal(byHand.Weights(), trained.Weights());
        Assert.All(history["learning_rate"], rate => Assert.Equal(one.ParamGroups.First().LearningRate, rate));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void ResumesAtAnyStep(string name)
    {
        using Problem whole = new(), stopped = new(), resumed = new();
        using optim.Optimizer first = Make(name, whole.Model), second = Make(name, stopped.Model), third = Make(name, resumed.Model);
        History expected = With(whole, first).Fit(whole.Data, epochs: 3, new() { Seed = 9 });
        With(stopped, second).Fit(stopped.Data, epochs: 3, new() { Seed = 9, Callbacks = [new Checkpoint(_file), new AtStep(13)] });
        History history = With(resumed, third).Fit(resumed.Data, epochs: 3, new() { ResumeFrom = _file });
        Assert.Equal("resumed at epoch 2, batch 5", history.Beginning);
        Assert.Equal(expected["loss"], history["loss"]);
        Assert.Equal(whole.Weights(), resumed.Weights());

        using var restored = new Problem();
        using optim.Optimizer fourth = Make(name, restored.Model);
        With(restored, fourth).Restore(_file);
        Assert.Equal(stopped.Weights(), restored.Weights());
    }

    [Fact]
    public void AFileOfAnotherOptimizerIsRefused()
    {
        using optim.Optimizer adam = optim.Adam(_problem.Model.parameters());
        With(_problem, adam).Fit(_problem.Data, 1, new() { Callbacks = [new Checkpoint(_file)] });

        using Problem other = new();
        using optim.Optimizer sgd = optim.SGD(other.Model.parameters(), 0.1, momentum: 0.9);
        byte[] before = other.Weights();
        Assert.Contains(
            "optimizer: SGD cannot read its state from the file",
            Assert.Throws<CheckpointMismatchException>(() => With(other, sgd).Fit(other.Data, 2, new() { ResumeFrom = _file })).Message);
        Assert.Contains("optimizer: one of TorchSharp's in the file, Adamax here", Assert.Throws<CheckpointMismatchException>(() => other.Trainer.Restore(_file)).Message);
        Assert.Equal(before, other.Weights());
        other.Trainer.Fit(other.Data, 1, new() { Callbacks = [new Checkpoint(_file)] });
        Assert.Contains(
            "optimizer: none of TorchSharp's in the file, SGD here",
            Assert.Throws<CheckpointMismatchException>(() => With(other, sgd).Restore(_file)).Message);
        Assert.Equal(0.1, sgd.ParamGroups.First().LearningRate);
    }

    [Fact]
    public void ADamagedStateChangesNothing()
    {
        using optim.Optimizer adam = optim.Adam(_problem.Model.parameters());
        Trainer trainer = With(_problem, adam);
        trainer.Fit(_problem.Data, 1, new() { Callbacks = [new Checkpoint(_file)] });
        byte[] bytes = File.ReadAllBytes(_file);
        int at = System.Text.Encoding.Latin1.GetString(bytes).LastIndexOf("Adam", StringComparison.Ordinal);
        bytes[at + 2] ^= 1;
        File.WriteAllBytes(_file, bytes);

        byte[] before = _problem.Weights();
        Assert.Throws<CheckpointMismatchException>(() => trainer.Restore(_file));
        Assert.Equal(before, _problem.Weights());
        trainer.Fit(_problem.Data, 1);
    }

    [Fact]
    public void NoDamageToTheStateIsLoadedByHalf()
    {
        using optim.Optimizer adam = optim.Adam(_problem.Model.parameters());
        Trainer trainer = With(_problem, adam);
        trainer.Fit(_problem.Data, 1, new() { Seed = 1, Callbacks = [new Checkpoint(_file)] });
        byte[] bytes = File.ReadAllBytes(_file), sound = Saved(adam), weights = _problem.Weights();
        int start = System.Text.Encoding.Latin1.GetString(bytes).LastIndexOf("Adam", StringComparison.Ordinal);
        foreach (int at in Enumerable.Range(start, 120).Concat(Enumerable.Range(0, 40).Select(i => bytes.Length - 1 - (37 * i))))
        {
            byte[] damaged = [.. bytes];
            damaged[at] ^= 0x55;
            File.WriteAllBytes(_file, damaged);
            try
            {
                trainer.Restore(_file);
                File.WriteAllBytes(_file, bytes);
                trainer.Restore(_file);
            }
            catch (Exception e) when (e is CheckpointMismatchException or InvalidFileException)
            {
                Assert.Equal(sound, Saved(adam));
            }

            Assert.Equal(weights, _problem.Weights());
        }

        static byte[] Saved(optim.Optimizer optimizer)
        {
            using var stream = new MemoryStream();
            using var writer = new BinaryWriter(stream);
            ((OptimizerHelper)optimizer).save_state_dict(writer);
            writer.Flush();
            return stream.ToArray();
        }
    }

    [Fact]
    public void CallbacksWorkWithIt()
    {
        using optim.Optimizer sgd = optim.SGD(_problem.Model.parameters(), 0.1, momentum: 0.9);
        Trainer trainer = With(_problem, sgd);
        trainer.Fit(_problem.Data, 1, new() { Seed = 1 });
        byte[] before = _problem.Weights();
        var finder = new LearningRateFinder(1e-4, 1, steps: 20);
        trainer.Fit(_problem.Data, 9, new() { Callbacks = [finder], Seed = 2 });
        Assert.Equal(before[..100], _problem.Weights()[..100]);
        Assert.Equal(0.1, sgd.ParamGroups.First().LearningRate);
        Assert.Equal(1e-4, finder.Points[0].Rate, 1e-12);
        Assert.True(finder.Points[^1].Rate > 0.01);

        History history = trainer.Fit(_problem.Data, 3, new()
        {
            Callbacks = [new LearningRateScheduler(o => optim.lr_scheduler.StepLR(o, 1, 0.5)), new StopOnNaN(), new EarlyStopping("loss")],
        });
        Assert.Equal([0.1, 0.05, 0.025], history["learning_rate"].Select(rate => Math.Round(rate, 10)));
    }

    [Fact]
    public void WhatCannotBeIsRefusedAtOnce()
    {
        using optim.Optimizer lbfgs = optim.LBFGS(_problem.Model.parameters());
        Assert.StartsWith(
            "LBFGS computes the loss several times in a step, and Trainer once.",
            Assert.Throws<ArgumentException>(() => With(_problem, lbfgs)).Message);

        using var own = new Plain(_problem.Model.parameters());
        Trainer trainer = With(_problem, own);
        byte[] before = _problem.Weights();
        Assert.StartsWith(
            "Plain: its state cannot be saved, because the class does not derive from OptimizerHelper.",
            Assert.Throws<NotSupportedException>(() => trainer.Fit(_problem.Data, 1, new() { Callbacks = [new Checkpoint(_file)] })).Message);
        Assert.Equal(before, _problem.Weights());
        trainer.Fit(_problem.Data, 1);
        Assert.NotEqual(before, _problem.Weights());
    }

    public void Dispose()
    {
        _problem.Dispose();
        Directory.Delete(Path.GetDirectoryName(_file)!, recursive: true);
    }

    static Trainer With(Problem problem, optim.Optimizer optimizer) => new(problem.Model, nn.CrossEntropyLoss().forward, optimizer);

    static optim.Optimizer Make(string name, nn.Module model) => name switch
    {
        "Adam" => optim.Adam(model.parameters(), 0.01, amsgrad: true),
        "AdamW" => optim.AdamW(model.parameters(), 0.01),
        "SGD" => optim.SGD(model.parameters(), 0.05, momentum: 0.9),
        "RMSprop" => optim.RMSProp(model.parameters(), 0.01, momentum: 0.5, centered: true),
        "Adagrad" => optim.Adagrad(model.parameters(), 0.05),
        "Adadelta" => optim.Adadelta(model.parameters(), 0.5),
        "Adamax" => optim.Adamax(model.parameters(), 0.01),
        "NAdam" => optim.NAdam(model.parameters(), 0.01),
        "RAdam" => optim.RAdam(model.parameters(), 0.01),
        "Rprop" => optim.Rprop(model.parameters(), 0.01),
        _ => optim.ASGD(model.parameters(), 0.01),
    };

    sealed class AtStep(long step) : Callback
    {
        public override void OnBatchEnd(TrainingRun run)
        {
            if (run.Step == step)
                run.Stop("enough");
        }
    }

    // An optimizer of a user's that has no state.
    sealed class Plain(IEnumerable<Parameter> all) : optim.Optimizer(IntPtr.Zero)
    {
        public override IEnumerable<Parameter> parameters() => all;

        public override IEnumerable<optim.ILearningRateController> ParamGroups => [new Rate()];

        public override Tensor step(Func<Tensor>? closure = null)
        {
            using var noGrad = no_grad();
            foreach (Parameter parameter in all)
                parameter.sub_(parameter.grad! * 0.01f);
            return null!;
        }

        public override void add_param_group(ParamGroup param_group) => throw new NotSupportedException();
    }

    sealed class Rate : optim.ILearningRateController
    {
        public double LearningRate { get; set; } = 0.01;

        public double InitialLearningRate { get; set; } = 0.01;
    }
}
