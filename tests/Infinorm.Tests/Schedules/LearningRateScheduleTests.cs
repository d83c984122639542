using Infinorm.Config;
using Infinorm.Schedules;

namespace Infinorm.Tests.Schedules;

public class LearningRateScheduleTests
{
    static LearningRateScheduleTests() =>
        LearningRateSchedule.Register(nameof(Halving), () => new Halving(1, null));

    [Fact]
    public void ReadsAScheduleOfOnesOwn()
    {
        var schedule = new Halving(0.5, null);
        string text = PythonJson.Write(schedule.GetConfig());
        Assert.Equal(
            """{"module": null, "class_name": "Halving", "config": {"start": 0.5, "name": "Halving"}, "registered_name": "Halving"}""",
            text);
        var read = LearningRateSchedule.FromConfig(PythonJson.Parse(text).AsObject());
        Assert.Equal(0.125, Assert.IsType<Halving>(read).At(2));
        Assert.Equal("mine", Read("""{"class_name": "Halving", "config": {"name": "mine"}}""").Name);
    }

    [Theory]
    [InlineData("5", "5")]
    [InlineData("5.0", "5")]
    [InlineData("2.5", "2.5")]
    [InlineData("1e+16", "10000000000000000")]
    [InlineData("1e+300", "1e+300")] // beyond the range of long
    public void WritesWholeStepsAsIntegers(string read, string written)
    {
        var schedule = Read(
            $$"""
            {"module": "keras.optimizers.schedules", "class_name": "PolynomialDecay",
             "config": {"initial_learning_rate": 1, "decay_steps": {{read}}} }
            """);
        Assert.Contains($"\"initial_learning_rate\": 1.0, \"decay_steps\": {written}, ", PythonJson.Write(schedule.GetConfig()));
    }

    [Fact]
    public void RefusesAKeyItDoesNotKnow()
    {
        var error = Assert.Throws<FormatException>(() => Read("""{"class_name": "Halving", "config": {"stop": 1}}"""));
        Assert.Equal("Halving: unknown config key 'stop'; known are name, start", error.Message);
    }

    [Theory]
    [InlineData("null", "ExponentialDecay", "without a module")]
    [InlineData("\"mine\"", "ExponentialDecay", "in module 'mine'")]
    [InlineData("\"keras.optimizers.schedules\"", "NoSuchDecay", "in module 'keras.optimizers.schedules'")]
    [InlineData("\"keras.optimizers.schedules\"", "exponentialdecay", "in module 'keras.optimizers.schedules'")]
    public void FindsKerasSchedulesOnlyByModuleAndExactName(string module, string className, string where)
    {
        string json = $$"""
            {"module": {{module}}, "class_name": "{{className}}",
             "config": {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5} }
            """;
        var error = Assert.Throws<FormatException>(() => Read(json));
        Assert.Equal(
            $"learning rate schedule: no class '{className}' {where}; known are CosineDecay, CosineDecayRestarts, ExponentialDecay, Halving, "
                + "InverseTimeDecay, PiecewiseConstantDecay, PolynomialDecay. Others must be registered first.",
            error.Message);
    }

    [Fact]
    public void RefusesAMissingSettingThatHasNoDefault()
    {
        var error = Assert.Throws<FormatException>(() => Read(
            """{"module": "keras.optimizers.schedules", "class_name": "ExponentialDecay", "config": {"initial_learning_rate": 0.1}}"""));
        Assert.Equal("ExponentialDecay: config key 'decay_steps' is missing", error.Message);
    }

    [Fact]
    public void RefusesASettingThatTheConstructorRefuses() => Assert.Throws<ArgumentOutOfRangeException>(() => Read(
        """
        {"module": "keras.optimizers.schedules", "class_name": "ExponentialDecay",
         "config": {"initial_learning_rate": 0.1, "decay_steps": 0, "decay_rate": 0.5}}
        """));

    [Fact]
    public void RefusesToRegisterNothingOrWhatIsThere()
    {
        Func<LearningRateSchedule> create = () => new Halving(1, null);
        var error = Assert.Throws<ArgumentException>(() => LearningRateSchedule.Register("CosineDecay", create));
        Assert.Equal(
            "'CosineDecay' is a built-in learning rate schedule; register yours under a name of its own. (Parameter 'className')", error.Message);
        Assert.Equal("className", Assert.Throws<ArgumentException>(() => LearningRateSchedule.Register("", create)).ParamName);
        Assert.Equal("create", Assert.Throws<ArgumentNullException>(() => LearningRateSchedule.Register("X", null!)).ParamName);
        Assert.Equal("config", Assert.Throws<ArgumentNullException>(() => LearningRateSchedule.FromConfig(null!)).ParamName);
    }

    static LearningRateSchedule Read(string json) => LearningRateSchedule.FromConfig(PythonJson.Parse(json).AsObject());

    sealed class Halving : LearningRateSchedule
    {
        readonly Hyperparameter<double> _start;

        public Halving(double start, string? name)
            : base(name) => _start = Hyperparameters.Number("start", start);

        public override double At(long step) => Math.ScaleB(_start, -(int)step);
    }
}
