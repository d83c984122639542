using System.Collections.Concurrent;
using System.Text;

namespace Infinorm.Tests.Conformance;

/// <summary>
/// Infinorm against Keras: every case of the golden folder through the public API, bits compared with bits. Nothing else runs at the same
/// time, because automatic names count the optimizers that the process makes.
/// </summary>
[Collection(nameof(ConformanceTests))]
[CollectionDefinition(nameof(ConformanceTests), DisableParallelization = true)]
public sealed class ConformanceTests(ConformanceTests.Summary summary) : IClassFixture<ConformanceTests.Summary>
{
    public static IEnumerable<TheoryDataRow<string, string>> Cases() => GoldenFolder.Entries.Values.Select(
        entry => new TheoryDataRow<string, string>(entry.File, entry.Id) { TestDisplayName = entry.Id });

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
            summary.Outcomes.Add(outcome);
        }
    }

    /// <summary>How far the cases were compared: artifacts/conformance.txt tells it after they all ran.</summary>
    public sealed class Summary : IDisposable
    {
        internal ConcurrentBag<Outcome> Outcomes { get; } = [];

        public void Dispose()
        {
            var text = new StringBuilder($"{Outcomes.Count} cases of {GoldenFolder.Location}\n");
            foreach (IGrouping<Extent, Outcome> extent in Outcomes.GroupBy(outcome => outcome.Extent).OrderBy(group => group.Key))
            {
                text.Append($"{extent.Count(),6} {Describe(extent.Key)}\n");
                foreach (IGrouping<string, Outcome> reason in extent.Where(outcome => outcome.Reason != "").GroupBy(outcome => outcome.Reason))
                    text.Append($"{reason.Count(),12} {reason.Key}\n");
            }

            string folder = Directory.CreateDirectory(Path.Combine(Repository.Root, "artifacts")).FullName;
            File.WriteAllText(Path.Combine(folder, "conformance.txt"), text.ToString());
        }

        static string Describe(Extent extent) => extent switch
        {
            Extent.Compared => "compared to the end",
            Extent.Refused => "stopped where Infinorm refuses what Keras lets pass",
            Extent.Different => "stopped where Infinorm is decided to differ",
            Extent.NotApplicable => "without a counterpart in .NET",
            _ => "failed",
        };
    }
}
