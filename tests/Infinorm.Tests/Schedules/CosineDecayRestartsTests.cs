using Infinorm.Schedules;

namespace Infinorm.Tests.Schedules;

public class CosineDecayRestartsTests
{
    [Fact]
    public void RestartsWithLongerDecays() => ScheduleAssert.Rates(
        new CosineDecayRestarts(0.1, 4),
        (1, 0.08535534143447876), (3, 0.014644661918282509), (5, 0.09619397670030594), (11, 0.0038060189690440893),
        (13, 0.09903926402330399));

    [Fact]
    public void RestartsFromSmallerRates() => ScheduleAssert.Rates(
        new CosineDecayRestarts(0.1, 3, 1.5, 0.5, 0.1),
        (1, 0.07750000059604645), (4, 0.04973599687218666), (7, 0.011356916278600693));

    [Fact]
    public void RestartsWithEqualDecays() => ScheduleAssert.Rates(
        new CosineDecayRestarts(0.1, 4, 1, 0.9, 0.01), (3, 0.015498215332627296), (4, 0.09009999781847), (9, 0.06944644451141357));

    [Fact]
    public void HasKerasConfig()
    {
        ScheduleAssert.Config(
            new CosineDecayRestarts(0.1, 3, 1.5, 0.5, 0.1, "x"),
            """{"initial_learning_rate": 0.1, "first_decay_steps": 3, "t_mul": 1.5, "m_mul": 0.5, "alpha": 0.1, "name": "x"}""");
        ScheduleAssert.Defaults(
            "CosineDecayRestarts",
            """{"initial_learning_rate": 1, "first_decay_steps": 4}""",
            """{"initial_learning_rate": 1.0, "first_decay_steps": 4, "t_mul": 2.0, "m_mul": 1.0, "alpha": 0.0, "name": "SGDRDecay"}""");
    }

    [Fact]
    public void ChecksItsNumbers()
    {
        ScheduleAssert.Refuses("initialLearningRate", x => new CosineDecayRestarts(x, 1));
        ScheduleAssert.Refuses("firstDecaySteps", x => new CosineDecayRestarts(1, x), steps: true);
        ScheduleAssert.Refuses("tMul", x => new CosineDecayRestarts(1, 1, x));
        ScheduleAssert.Refuses("mMul", x => new CosineDecayRestarts(1, 1, 1, x));
        ScheduleAssert.Refuses("alpha", x => new CosineDecayRestarts(1, 1, 1, 1, x));
    }
}
