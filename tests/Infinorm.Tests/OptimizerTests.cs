using Infinorm.Optimizers;
using Infinorm.Rules;
using Infinorm.Schedules;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests;

/// <summary>The settings that all optimizers share, and their learning rate.</summary>
public class OptimizerTests
{
    [Fact]
    public void RefusesSettingsOutOfRange()
    {
        Refusal.Is<ArgumentOutOfRangeException>("WeightDecay must be a finite number.", () => new Adamax { WeightDecay = double.NaN });
        Refusal.Is<ArgumentOutOfRangeException>("ClipNorm must be a finite number > 0.", () => new Adamax { ClipNorm = 0 });
        Refusal.Is<ArgumentOutOfRangeException>("ClipValue must be a finite number > 0.", () => new Adamax { ClipValue = -1 });
        Refusal.Is<ArgumentOutOfRangeException>(
            "GlobalClipNorm must be a finite number > 0.", () => new Adamax { GlobalClipNorm = double.PositiveInfinity });
        Refusal.Is<ArgumentOutOfRangeException>("EmaMomentum must be in [0, 1].", () => new Adamax { EmaMomentum = 1.01 });
        Refusal.Is<ArgumentOutOfRangeException>(
            "EmaOverwriteFrequency must be an integer >= 1.", () => new Adamax { EmaOverwriteFrequency = 0 });
        Refusal.Is<ArgumentOutOfRangeException>(
            "LossScaleFactor must be a finite number other than 0.", () => new Adamax { LossScaleFactor = 0 });
        Refusal.Is<ArgumentOutOfRangeException>(
            "GradientAccumulationSteps must be an integer >= 2.", () => new Adamax { GradientAccumulationSteps = 1 });
        Refusal.Is<ArgumentOutOfRangeException>(
            "MaxDegreeOfParallelism must be an integer >= 1.", () => new Adamax { MaxDegreeOfParallelism = 0 });
        Refusal.Is<ArgumentOutOfRangeException>("FloatX is Float32 or Float64.", () => new Adamax { FloatX = DType.Float16 });
    }

    [Fact]
    public void TellsTheValueThatIsOutOfRange()
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => new Adamax { ClipNorm = -2.5 });
        Assert.Equal(("ClipNorm", -2.5), (error.ParamName, error.ActualValue));
    }

    [Fact]
    public void RefusesASecondClip()
    {
        Refusal.Is<ArgumentException>(
            "Only one of ClipNorm, ClipValue and GlobalClipNorm can be set: ClipValue is the second.",
            () => new Adamax { ClipNorm = 1, ClipValue = 1 });
        Refusal.Is<ArgumentException>(
            "Only one of ClipNorm, ClipValue and GlobalClipNorm can be set: GlobalClipNorm is the second.",
            () => new Adamax { ClipValue = 1, GlobalClipNorm = 1 });
        Refusal.Is<ArgumentException>(
            "Only one of ClipNorm, ClipValue and GlobalClipNorm can be set: ClipNorm is the second.",
            () => new Adamax { GlobalClipNorm = 1, ClipNorm = 1 });
    }

    [Theory]
    [InlineData("")]
    [InlineData("a/b")]
    public void RefusesANameThatIsNoPartOfAPath(string name) => Refusal.Is<ArgumentException>(
        $"Name must not be empty or contain '/': found \"{name}\".", () => new Adamax { Name = name });

    [Fact]
    public void CountsItsAutomaticNames()
    {
        NamedByItself[] optimizers = [new(), new(), new() { Name = "mine" }, new()];
        Assert.Equal(["named_by_itself", "named_by_itself_1", "mine", "named_by_itself_2"], optimizers.Select(optimizer => optimizer.Name));
    }

    [Fact]
    public void HoldsTheRateInFloatOrDouble()
    {
        Assert.Equal((double)0.1f, new Adamax(0.1).CurrentLearningRate);
        Assert.Equal(0.1, new Adamax(0.1) { FloatX = DType.Float64 }.CurrentLearningRate);
        Assert.Equal(DType.Float64, new Adamax(0.1) { FloatX = DType.Float64 }.Variables[1].DType);
    }

    [Fact]
    public void SetsTheRate()
    {
        var adamax = new Adamax(0.1);
        Variable held = adamax.Variables[1];
        adamax.LearningRate = 0.3;
        Assert.Equal((double)0.3f, adamax.CurrentLearningRate);
        Assert.Equal(0.3f, held.ToNdArray().AsSpan<float>()[0]);
        held.Assign(0.5f);
        Assert.Equal(0.5, adamax.CurrentLearningRate);

        adamax.LearningRate = new ExponentialDecay(0.2, 1, 0.5);
        Assert.Equal((double)0.2f, adamax.CurrentLearningRate);
        Assert.DoesNotContain(adamax.Variables, variable => variable.Name == "learning_rate");
    }

    [Fact]
    public void RefusesANumberForAScheduleOrFunction()
    {
        var scheduled = new Adamax(new ExponentialDecay(0.2, 1, 0.5)) { Name = "a" };
        Refusal.Is<InvalidOperationException>(
            "a: the learning rate is a schedule, so it cannot be set to the number 0.5. "
            + "Give the constructor a number if the rate is to be set.", () => scheduled.LearningRate = 0.5);
        var computed = new Adamax(new(() => 0.2)) { Name = "b" };
        Refusal.Is<InvalidOperationException>(
            "b: the learning rate is a function, so it cannot be set to the number 0.5. "
            + "Give the constructor a number if the rate is to be set.", () => computed.LearningRate = 0.5);
    }

    [Fact]
    public void RefusesARateThatIsNotFinite()
    {
        Refusal.Is<ArgumentOutOfRangeException>("learningRate must be a finite number.", () => new Adamax(double.NaN));
        Refusal.Is<ArgumentOutOfRangeException>("The learning rate does not fit into a float.", () => new Adamax(1e39));

        var adamax = new Adamax(new(() => double.NaN)) { Name = "c" };
        Variable[] variables = [new Variable<float>("w", new float[2])];
        adamax.Build(variables);
        const string message = "c: the learning rate at step 0 is NaN; it must be finite.";
        Refusal.Is<InvalidOperationException>(message, () => adamax.Apply([new float[] { 1, 2 }]));
        Assert.Equal([0f, 0f], variables[0].ToNdArray().AsSpan<float>());
        Assert.Equal(0, adamax.Iterations);
    }

    [Fact]
    public void ScalesLosses()
    {
        Assert.Equal((1.5, 1.5f), (new Adamax().ScaleLoss(1.5), new Adamax().ScaleLoss(1.5f)));
        var adamax = new Adamax { LossScaleFactor = 8 };
        Assert.Equal((12.0, 12f), (adamax.ScaleLoss(1.5), adamax.ScaleLoss(1.5f)));
    }

    [Fact]
    public void CountsUpdatesNotCalls()
    {
        var adamax = new Adamax { GradientAccumulationSteps = 3 };
        adamax.Build(new Variable<float>("w", new float[1]));
        StepResult[] results = [.. Enumerable.Range(0, 4).Select(_ => adamax.Apply([new float[1]]).Result)];
        Assert.Equal([StepResult.Accumulated, StepResult.Accumulated, StepResult.Updated, StepResult.Accumulated], results);
        Assert.Equal(1, adamax.Iterations);
        Assert.Equal(4, adamax.Variables[0].ToNdArray().AsSpan<long>()[0]);
    }

    sealed class NamedByItself() : RuleOptimizer(0.1)
    {
        protected override void DefineSlots(Slots slots)
        {
        }

        protected override void UpdateStep<L>(RuleContext<L> context)
        {
        }
    }
}
