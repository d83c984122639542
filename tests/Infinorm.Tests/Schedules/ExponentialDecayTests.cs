using Infinorm.Schedules;

namespace Infinorm.Tests.Schedules;

public class ExponentialDecayTests
{
    [Fact]
    public void Decays() => ScheduleAssert.Rates(
        new ExponentialDecay(0.1, 5, 0.5),
        (0, 0.10000000149011612), (1, 0.08705505728721619), (5, 0.05000000074505806), (7, 0.037892915308475494), (999, 0));

    [Fact]
    public void DecaysByStairs()
    {
        ScheduleAssert.Rates(
            new ExponentialDecay(0.1, 3, 0.5, staircase: true),
            (2, 0.10000000149011612), (3, 0.05000000074505806), (5, 0.05000000074505806), (7, 0.02500000037252903));
        ScheduleAssert.Rates(
            new ExponentialDecay(0.3, 2.5, 0.25, staircase: true),
            (2, 0.30000001192092896), (3, 0.07500000298023224), (4, 0.07500000298023224), (5, 0.01875000074505806));
    }

    [Fact]
    public void CountsStepsInFloat32()
    {
        var schedule = new ExponentialDecay(0.1, 1 << 24, 0.5);
        Assert.Equal(schedule.At(1 << 24), schedule.At((1 << 24) + 1));
        Assert.NotEqual(schedule.At(1 << 24), schedule.At((1 << 24) + 2));
    }

    [Fact]
    public void HasKerasConfig()
    {
        ScheduleAssert.Config(
            new ExponentialDecay(0.1, 5, 0.5),
            """{"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5, "staircase": false, "name": "ExponentialDecay"}""");
        ScheduleAssert.Config(
            new ExponentialDecay(1, 2.5, 1e-7, staircase: true, name: "x"),
            """{"initial_learning_rate": 1.0, "decay_steps": 2.5, "decay_rate": 1e-07, "staircase": true, "name": "x"}""");
        ScheduleAssert.Defaults(
            "ExponentialDecay",
            """{"initial_learning_rate": 0.1, "decay_steps": 1e30, "decay_rate": 2}""",
            """{"initial_learning_rate": 0.1, "decay_steps": 1e+30, "decay_rate": 2.0, "staircase": false, "name": "ExponentialDecay"}""");
    }

    [Fact]
    public void ChecksItsNumbers()
    {
        ScheduleAssert.Refuses("initialLearningRate", x => new ExponentialDecay(x, 1, 1));
        ScheduleAssert.Refuses("decaySteps", x => new ExponentialDecay(1, x, 1), steps: true);
        ScheduleAssert.Refuses("decayRate", x => new ExponentialDecay(1, 1, x));
    }
}
