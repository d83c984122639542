using Infinorm.Checkpoints;

namespace Infinorm.Tests.Checkpoints;

public class LoadOptionsTests
{
    [Theory]
    [InlineData("optimizer/average", true)]
    [InlineData("optimizer/average/dense/kernel", true)]
    [InlineData("optimizer/averages", false)]
    [InlineData("optimizer", false)]
    [InlineData("", false)]
    public void ANameCoversItselfAndWhatIsBelowIt(string name, bool covered) =>
        Assert.Equal(covered, LoadOptions.Covers(["x", "optimizer/average"], name));

    [Fact]
    public void AnEmptyListAndAnEmptyNameCoverNothing()
    {
        Assert.False(LoadOptions.Covers([], "a"));
        Assert.False(LoadOptions.Covers([""], "a"));
    }
}
