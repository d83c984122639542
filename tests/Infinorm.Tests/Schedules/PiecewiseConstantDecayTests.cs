using Infinorm.Schedules;

namespace Infinorm.Tests.Schedules;

public class PiecewiseConstantDecayTests
{
    [Fact]
    public void ChangesAfterEachBoundary() => ScheduleAssert.Rates(
        new PiecewiseConstantDecay([2, 5], [1, 0.5, 0.25]), (0, 1), (2, 1), (3, 0.5), (5, 0.5), (6, 0.25), (long.MaxValue, 0.25));

    [Fact]
    public void CutsOffFractionsOfBoundaries() => ScheduleAssert.Rates(
        new PiecewiseConstantDecay([1.9, 4.5], [1, 0.5, 0.25]), (1, 1), (2, 0.5), (4, 0.5), (5, 0.25));

    [Fact]
    public void AddsWhatUnsortedBoundariesOverlap() => ScheduleAssert.Rates(
        new PiecewiseConstantDecay([5, 2], [1, 0.5, 0.25]), (2, 1), (3, 1.25), (5, 1.25), (6, 0.25));

    [Fact]
    public void ComparesLargeStepsExactly() => ScheduleAssert.Rates(
        new PiecewiseConstantDecay([1 << 24], [1, 0.5]), (1 << 24, 1), ((1 << 24) + 1, 0.5));

    [Fact]
    public void KeepsItsOwnCopy()
    {
        double[] values = [1, 0.5];
        var schedule = new PiecewiseConstantDecay([2], values);
        values[0] = 7;
        ScheduleAssert.Rates(schedule, (0, 1));
    }

    [Fact]
    public void HasKerasConfig()
    {
        ScheduleAssert.Config(
            new PiecewiseConstantDecay([2, 5], [1, 0.5, 0.1]),
            """{"boundaries": [2, 5], "values": [1.0, 0.5, 0.1], "name": "PiecewiseConstant"}""");
        ScheduleAssert.Config(
            new PiecewiseConstantDecay([1.9, 6], [1, 0.5, 0.1], "x"),
            """{"boundaries": [1.9, 6.0], "values": [1.0, 0.5, 0.1], "name": "x"}""");
        ScheduleAssert.Defaults(
            "PiecewiseConstantDecay",
            """{"boundaries": [2.0], "values": [1, 0.5]}""",
            """{"boundaries": [2], "values": [1.0, 0.5], "name": "PiecewiseConstant"}""");
    }

    [Fact]
    public void RefusesNumbersThatAreNotFinite()
    {
        ScheduleAssert.Refuses("boundaries", x => new PiecewiseConstantDecay([x], [1, 2]));
        ScheduleAssert.Refuses("values", x => new PiecewiseConstantDecay([1], [1, x]));
    }

    [Fact]
    public void RefusesCountsThatDoNotFit()
    {
        var error = Assert.Throws<ArgumentException>(() => new PiecewiseConstantDecay([1, 2], [1, 0.5]));
        Assert.Equal(
            "There must be one value more than boundaries, but there are 2 values and 2 boundaries. (Parameter 'values')", error.Message);
        error = Assert.Throws<ArgumentException>(() => new PiecewiseConstantDecay([], [1]));
        Assert.Equal("There must be at least one boundary. (Parameter 'boundaries')", error.Message);
    }
}
