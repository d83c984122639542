using System.Globalization;

namespace Infinorm.Samples.SpokenDigits;

/// <summary>Tells the results.</summary>
sealed class Report(TextWriter output)
{
    public void Start(Corpus corpus) => Line($"{corpus.TrainCount} recordings to train with, {corpus.Test.Count} to test with");

    /// <summary>The accuracy on the test part, and what was taken for what.</summary>
    public void Show(Result result, Corpus corpus)
    {
        var confusion = new int[10, 10];
        foreach (var (recording, predicted) in corpus.Test.Zip(result.Predicted))
            confusion[recording.Digit, predicted]++;

        Line($"said   heard: {string.Join("", Enumerable.Range(0, 10).Select(digit => $"{digit,4}"))}");
        for (int said = 0; said < 10; said++)
        {
            IEnumerable<int> row = Enumerable.Range(0, 10).Select(heard => confusion[said, heard]);
            Line($"{said,4}         {string.Join("", row.Select(count => count == 0 ? "   ." : $"{count,4}"))}");
        }

        Line($"test accuracy  clean {Accuracy(result, corpus):F1} %, noisy {result.Noisy:F1} %");
        Line($"{result.Elapsed.TotalSeconds:F0} s, {result.InOptimizer.TotalSeconds:F2} s of it in the optimizer");
        if (result.Hash is { } hash)
            Line($"weights {hash}");
    }

    /// <summary>Two trainings side by side.</summary>
    public void Compare(Result ours, Result other, Corpus corpus)
    {
        Line("                     clean %   noisy %   in the optimizer, s");
        foreach (Result result in (Result[])[ours, other])
            Line($"{result.Name,-20} {Accuracy(result, corpus),7:F1} {result.Noisy,9:F1} {result.InOptimizer.TotalSeconds,21:F2}");
        Line($"{other.Name} takes {other.InOptimizer / ours.InOptimizer:F1} times as long in the optimizer");
    }

    static double Accuracy(Result result, Corpus corpus) =>
        100.0 * corpus.Test.Zip(result.Predicted).Count(pair => pair.First.Digit == pair.Second) / corpus.Test.Count;

    void Line(FormattableString text) => output.WriteLine(text.ToString(CultureInfo.InvariantCulture));

    void Line(string text) => output.WriteLine(text);
}
