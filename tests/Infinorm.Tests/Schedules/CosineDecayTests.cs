using Infinorm.Schedules;

namespace Infinorm.Tests.Schedules;

public class CosineDecayTests
{
    [Fact]
    public void Decays()
    {
        ScheduleAssert.Rates(
            new CosineDecay(0.1, 10),
            (0, 0.10000000149011612), (1, 0.0975528284907341), (5, 0.04999999701976776), (10, 0), (11, 0));
        ScheduleAssert.Rates(
            new CosineDecay(0.1, 8, alpha: 0.1), (3, 0.07222075760364532), (8, 0.010000000707805157), (100, 0.010000000707805157));
    }

    [Fact]
    public void WarmsUpToTheTarget()
    {
        ScheduleAssert.Rates(
            new CosineDecay(0, 10, warmupTarget: 0.1, warmupSteps: 5),
            (0, 0), (1, 0.020000001415610313), (4, 0.08000000566244125), (5, 0.10000000149011612), (10, 0.04999999701976776),
            (15, 0), (16, 0));
        ScheduleAssert.Rates(new CosineDecay(0.01, 6, 0.1, warmupTarget: 0.2), (0, 0.20000000298023224), (3, 0.10999999195337296));
    }

    [Fact]
    public void IgnoresWarmupStepsWithoutATarget() => ScheduleAssert.Rates(
        new CosineDecay(0.01, 6, 0.1, warmupSteps: 5), (0, 0.009999999776482582), (3, 0.00549999950453639));

    [Fact]
    public void HasKerasConfig()
    {
        ScheduleAssert.Config(
            new CosineDecay(0, 10, name: "x", warmupTarget: 0.1, warmupSteps: 5),
            """
            {"initial_learning_rate": 0.0, "decay_steps": 10, "alpha": 0.0, "name": "x", "warmup_target": 0.1, "warmup_steps": 5}
            """);
        ScheduleAssert.Defaults(
            "CosineDecay",
            """{"initial_learning_rate": 1, "decay_steps": 4}""",
            """
            {"initial_learning_rate": 1.0, "decay_steps": 4, "alpha": 0.0, "name": "CosineDecay", "warmup_target": null, "warmup_steps": 0}
            """);
    }

    [Fact]
    public void ChecksItsNumbers()
    {
        ScheduleAssert.Refuses("initialLearningRate", x => new CosineDecay(x, 1));
        ScheduleAssert.Refuses("decaySteps", x => new CosineDecay(1, x), steps: true);
        ScheduleAssert.Refuses("alpha", x => new CosineDecay(1, 1, x));
        ScheduleAssert.Refuses("warmupTarget", x => new CosineDecay(1, 1, warmupTarget: x));
        ScheduleAssert.Refuses("warmupSteps", x => new CosineDecay(1, 1, warmupSteps: x));
    }
}
