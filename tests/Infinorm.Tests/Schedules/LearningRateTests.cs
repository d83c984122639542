using Infinorm.Config;
using Infinorm.Schedules;

namespace Infinorm.Tests.Schedules;

public class LearningRateTests
{
    [Fact]
    public void HoldsOneOfThree()
    {
        var schedule = new ExponentialDecay(0.1, 5, 0.5);
        Func<double> function = () => 0.5;
        LearningRate number = 0.25;
        LearningRate scheduled = schedule;
        LearningRate computed = function;
        Assert.Equal((0.25, null, null), (number.Value, number.Schedule, number.Function));
        Assert.Equal((null, schedule, null), (scheduled.Value, scheduled.Schedule, scheduled.Function));
        Assert.Equal((null, null, function), (computed.Value, computed.Schedule, computed.Function));
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    public void RefusesANumberThatIsNotFinite(double value)
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => new LearningRate(value));
        Assert.Equal("learningRate", error.ParamName);
        Assert.StartsWith("learningRate must be a finite number.", error.Message);
    }

    [Fact]
    public void RefusesNull()
    {
        Assert.Equal("schedule", Assert.Throws<ArgumentNullException>(() => new LearningRate((LearningRateSchedule)null!)).ParamName);
        Assert.Equal("function", Assert.Throws<ArgumentNullException>(() => new LearningRate((Func<double>)null!)).ParamName);
    }

    [Fact]
    public void WritesASchedule()
    {
        var schedule = new ExponentialDecay(0.1, 5, 0.5);
        Assert.Equal(PythonJson.Write(schedule.GetConfig()), PythonJson.Write(new LearningRate(schedule).ToConfig()));
    }

    [Fact]
    public void WritesANumber() => Assert.Equal("0.25", PythonJson.Write(new LearningRate(0.25).ToConfig()));

    [Fact]
    public void WritesTheNameOfAFunction() => Assert.Equal(
        """{"module": "builtins", "class_name": "function", "config": "NamedRate", "registered_name": "function"}""",
        PythonJson.Write(new LearningRate(NamedRate).ToConfig()));

    [Fact]
    public void WritesLambdaForAFunctionWithoutName()
    {
        double rate = 0.5;
        double Local() => rate;
        Assert.Equal("<lambda>", (string)new LearningRate(() => rate).ToConfig()["config"]!);
        Assert.Equal("<lambda>", (string)new LearningRate(Local).ToConfig()["config"]!);
    }

    [Fact]
    public void ReadsAFunctionThatIsRegistered()
    {
        Func<double> function = () => 0.5;
        LearningRate.RegisterFunction("LearningRateTests.half", function);
        var config = new LearningRate(function).ToConfig();
        Assert.Equal("LearningRateTests.half", (string)config["config"]!);
        Assert.Same(function, LearningRate.FromConfig(config.AsObject()).Function);

        Func<double> other = () => 0.25;
        LearningRate.RegisterFunction("LearningRateTests.half", other);
        Assert.Same(other, LearningRate.FromConfig(config.AsObject()).Function);
    }

    [Fact]
    public void RefusesAFunctionThatIsNot()
    {
        var config = new LearningRate(NamedRate).ToConfig().AsObject();
        var error = Assert.Throws<FormatException>(() => LearningRate.FromConfig(config));
        Assert.Equal(
            "learning rate: the function 'NamedRate' is not known; register it first with LearningRate.RegisterFunction", error.Message);
        config["config"] = null;
        Assert.StartsWith(
            "learning rate: the function '' is not known", Assert.Throws<FormatException>(() => LearningRate.FromConfig(config)).Message);
        Assert.Equal(
            "optimizer: the function '' is not known", Assert.Throws<FormatException>(() => Optimizer.FromConfig(config)).Message);
        Assert.Equal(
            "learning rate schedule: the function '' is not known",
            Assert.Throws<FormatException>(() => LearningRateSchedule.FromConfig(config)).Message);
    }

    [Fact]
    public void ReadsASchedule()
    {
        var config = new ExponentialDecay(0.1, 5, 0.5).GetConfig();
        Assert.IsType<ExponentialDecay>(LearningRate.FromConfig(config).Schedule);
    }

    [Fact]
    public void RefusesToRegisterNothing()
    {
        Assert.Equal("name", Assert.Throws<ArgumentException>(() => LearningRate.RegisterFunction("", NamedRate)).ParamName);
        Assert.Equal("function", Assert.Throws<ArgumentNullException>(() => LearningRate.RegisterFunction("x", null!)).ParamName);
    }

    static double NamedRate() => 0.5;
}
