using ScottPlot;

namespace Infinorm.Samples;

/// <summary>Pictures that look the same everywhere and are written as a whole or not at all.</summary>
static class Picture
{
    /// <summary>The default sans-serif resolves to a serif font on some systems.</summary>
    public const string FontName = "DejaVu Sans";

    /// <summary>Writes a PNG.</summary>
    public static void Save(Multiplot plots, string path)
    {
        string temporary = path + ".tmp";
        try
        {
            File.WriteAllBytes(temporary, plots.Render(1400, 800).GetImageBytes());
            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
