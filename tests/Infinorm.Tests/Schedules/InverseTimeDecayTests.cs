using Infinorm.Schedules;

namespace Infinorm.Tests.Schedules;

public class InverseTimeDecayTests
{
    [Fact]
    public void Decays() => ScheduleAssert.Rates(
        new InverseTimeDecay(0.1, 2, 0.5), (1, 0.07999999821186066), (2, 0.06666667014360428), (7, 0.036363635212183));

    [Fact]
    public void DecaysByStairs() => ScheduleAssert.Rates(
        new InverseTimeDecay(0.1, 4, 0.5, staircase: true), (3, 0.10000000149011612), (4, 0.06666667014360428), (7, 0.06666667014360428));

    [Fact]
    public void HasKerasConfig()
    {
        ScheduleAssert.Config(
            new InverseTimeDecay(0.1, 4, 0.5, staircase: true),
            """{"initial_learning_rate": 0.1, "decay_steps": 4, "decay_rate": 0.5, "staircase": true, "name": "InverseTimeDecay"}""");
        ScheduleAssert.Defaults(
            "InverseTimeDecay",
            """{"initial_learning_rate": 0.1, "decay_steps": 4.5, "decay_rate": 2}""",
            """{"initial_learning_rate": 0.1, "decay_steps": 4.5, "decay_rate": 2.0, "staircase": false, "name": "InverseTimeDecay"}""");
    }

    [Fact]
    public void ChecksItsNumbers()
    {
        ScheduleAssert.Refuses("initialLearningRate", x => new InverseTimeDecay(x, 1, 1));
        ScheduleAssert.Refuses("decaySteps", x => new InverseTimeDecay(1, x, 1), steps: true);
        ScheduleAssert.Refuses("decayRate", x => new InverseTimeDecay(1, 1, x));
    }
}
