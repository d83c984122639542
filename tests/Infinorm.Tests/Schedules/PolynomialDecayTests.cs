using Infinorm.Schedules;

namespace Infinorm.Tests.Schedules;

public class PolynomialDecayTests
{
    [Fact]
    public void DecaysToTheEndAndStays()
    {
        ScheduleAssert.Rates(
            new PolynomialDecay(0.1, 10, 0.01),
            (0, 0.10000000149011612), (5, 0.054999999701976776), (10, 0.009999999776482582), (11, 0.009999999776482582));
        ScheduleAssert.Rates(
            new PolynomialDecay(0.1, 7, power: 0.5), (3, 0.07561729848384857), (6, 0.03785865008831024));
    }

    [Fact]
    public void CyclesAndIsAtTheEndOnEachMultiple() => ScheduleAssert.Rates(
        new PolynomialDecay(0.1, 4, 0.02, 2, cycle: true),
        (0, 0.09999999403953552), (1, 0.06499999761581421), (4, 0.019999999552965164),
        (5, 0.03125), (8, 0.019999999552965164), (9, 0.02499999850988388));

    [Fact]
    public void HasKerasConfig()
    {
        ScheduleAssert.Config(
            new PolynomialDecay(0.1, 4, 0.02, 2, cycle: true, "x"),
            """
            {"initial_learning_rate": 0.1, "decay_steps": 4, "end_learning_rate": 0.02, "power": 2.0, "cycle": true, "name": "x"}
            """);
        ScheduleAssert.Defaults(
            "PolynomialDecay",
            """{"initial_learning_rate": 1, "decay_steps": 4}""",
            """{"initial_learning_rate": 1.0, "decay_steps": 4, "end_learning_rate": 0.0001, """
                + "\"power\": 1.0, \"cycle\": false, \"name\": \"PolynomialDecay\"}");
    }

    [Fact]
    public void ChecksItsNumbers()
    {
        ScheduleAssert.Refuses("initialLearningRate", x => new PolynomialDecay(x, 1));
        ScheduleAssert.Refuses("decaySteps", x => new PolynomialDecay(1, x), steps: true);
        ScheduleAssert.Refuses("endLearningRate", x => new PolynomialDecay(1, 1, x));
        ScheduleAssert.Refuses("power", x => new PolynomialDecay(1, 1, 1, x));
    }
}
