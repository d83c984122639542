namespace Infinorm.Samples.Speech;

/// <summary>What the training part and the test part of a set must not share.</summary>
public enum SplitBy
{
    /// <summary>Nobody heard in the test is heard in training.</summary>
    Speaker,

    /// <summary>The test has other recordings, but the same speakers.</summary>
    Take,
}

/// <summary>A folder of spoken digits, and its division into a training and a test part.</summary>
public static class SpeechSet
{
    /// <summary>The recordings that come with the samples, spoken by espeak-ng.</summary>
    public static string BundledFolder => Path.Combine(AppContext.BaseDirectory, "Recordings");

    /// <summary>All <c>{digit}_{speaker}_{take}.wav</c> of a folder, in the order of their names.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">The folder has no recordings, or one that cannot be read.</exception>
    public static Recording[] Load(string folder)
    {
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"{folder}: no such folder");
        string[] files = Directory.GetFiles(folder, "*.wav", new EnumerationOptions { MatchCasing = MatchCasing.CaseInsensitive });
        if (files.Length == 0)
            throw new InvalidDataException($"{folder}: no .wav files in this folder");

        // The order of a directory differs between machines; the order of names does not.
        Array.Sort(files, StringComparer.Ordinal);
        return Array.ConvertAll(files, Recording.Read);
    }

    /// <summary>Draws a fifth of the speakers, or of the recordings of each digit, as the test part.</summary>
    /// <exception cref="InvalidDataException">There are too few speakers or recordings for two parts.</exception>
    public static (Recording[] Train, Recording[] Test) Split(IReadOnlyList<Recording> recordings, SplitBy by, Random random)
    {
        HashSet<Recording> test = by switch
        {
            SplitBy.Speaker => [.. recordings.GroupBy(r => r.Speaker).ToArray().DrawFifth(random).SelectMany(speaker => speaker)],
            _ => [.. recordings.GroupBy(r => r.Digit).SelectMany(digit => digit.ToArray().DrawFifth(random))],
        };
        return test.Count > 0
            ? ([.. recordings.Where(r => !test.Contains(r))], [.. recordings.Where(test.Contains)])
            : throw new InvalidDataException(by == SplitBy.Speaker
                ? $"a split by speaker needs at least two speakers; there is one, {recordings[0].Speaker}"
                : "a split by take needs at least two recordings of a digit");
    }

    static T[] DrawFifth<T>(this T[] items, Random random)
    {
        random.Shuffle(items);
        return items[..(items.Length < 2 ? 0 : Math.Max(1, items.Length / 5))];
    }
}
