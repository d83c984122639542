using System.CommandLine;
using Infinorm.Samples.Speech;

namespace Infinorm.Samples;

/// <summary>The options of all samples with speech.</summary>
static class SpeechOptions
{
    public static Option<DirectoryInfo> Data() => new("--data")
    {
        Description = "Folder of recordings named {digit}_{speaker}_{take}.wav, mono PCM of 8 or 16 kHz. Default: the bundled ones.",
    };

    public static Option<SplitBy> Split() => new("--split")
    {
        Description = "What training and test must not have in common.",
        DefaultValueFactory = _ => SplitBy.Speaker,
    };

    public static Option<int> Seed() => new("--seed")
    {
        Description = "The seed: the same one gives the same results.",
        DefaultValueFactory = _ => 1,
    };

    public static Option<FileInfo> Picture(string name) => new("--out")
    {
        Description = "Where to draw loss and accuracy: a .png file.",
        DefaultValueFactory = _ => new FileInfo(name),
    };

    /// <summary>The recordings that were asked for.</summary>
    public static Recording[] Load(DirectoryInfo? data) => SpeechSet.Load(data?.FullName ?? SpeechSet.BundledFolder);

    /// <summary>A number that is at least 1.</summary>
    public static int AtLeastOne(this ParseResult arguments, Option<int> option)
    {
        int value = arguments.GetValue(option);
        return value >= 1 ? value : throw new InvalidDataException($"{option.Name} must be at least 1");
    }

    /// <summary>The PNG file for a picture, in a folder that is there.</summary>
    public static string PicturePath(this ParseResult arguments, Option<FileInfo> option) =>
        OutputPath.Of(arguments.GetRequiredValue(option), ".png");
}
