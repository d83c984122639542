using System.Collections.Concurrent;
using System.Text;
using Xunit.Sdk;
using Xunit.v3;

namespace Infinorm.Tests.Conformance;

/// <summary>
/// Infinorm against Keras: every case of the golden folder through the public API, bits compared with bits. Nothing else runs at the same
/// time, because automatic names count the optimizers that the process makes.
/// </summary>
[Collection(nameof(ConformanceTests))]
[CollectionDefinition(nameof(ConformanceTests), DisableParallelization = true)]
[TestMethodOrderer(typeof(SummaryLast))]
public sealed class ConformanceTests
{
    static readonly ConcurrentBag<Outcome> Outcomes = [];

    public static IEnumerable<TheoryDataRow<string, string>> Cases() => GoldenFolder.Entries.Values.Select(
        entry => new TheoryDataRow<string, string>(entry.File, entry.Id) { TestDisplayName = entry.Id, Skip = entry.Skip });

    [Theory]
    [MemberData(nameof(Cases))]
    public void Case(string file, string id)
    {
        var outcome = new Outcome(Extent.Failed);
        try
        {
            outcome = GoldenFolder.Entries[(file, id)].Run();
        }
        finally
        {
            Outcomes.Add(outcome);
        }
    }

    /// <summary>
    /// Runs last and tells how far the cases were compared. <c>dotnet test</c> shows what a test says only if it failed or was skipped: so
    /// this one ends as skipped.
    /// </summary>
    [Fact]
    public void Summary()
    {
        var text = new StringBuilder($"{Outcomes.Count} cases of {GoldenFolder.Location}");
        foreach (IGrouping<Extent, Outcome> extent in Outcomes.GroupBy(outcome => outcome.Extent).OrderBy(group => group.Key))
        {
            text.Append($"\n{extent.Count(),6} {Describe(extent.Key)}");
            foreach (IGrouping<string, Outcome> reason in extent.Where(outcome => outcome.Reason != "").GroupBy(outcome => outcome.Reason))
                text.Append($"\n{reason.Count(),12} {reason.Key}");
        }

        Assert.Skip(text.ToString());
    }

    static string Describe(Extent extent) => extent switch
    {
        Extent.Compared => "compared to the end",
        Extent.Refused => "stopped where Infinorm refuses what Keras lets pass",
        Extent.Different => "stopped where Infinorm is decided to differ",
        Extent.NotApplicable => "without a counterpart in .NET",
        _ => "failed",
    };

    sealed class SummaryLast : ITestMethodOrderer
    {
        public IReadOnlyCollection<TTestMethod?> OrderTestMethods<TTestMethod>(IReadOnlyCollection<TTestMethod?> testMethods)
            where TTestMethod : notnull, ITestMethod =>
            [.. testMethods.OrderBy(method => method?.MethodName == nameof(Summary))];
    }
}
