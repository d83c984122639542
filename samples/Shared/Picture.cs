using ScottPlot;

namespace Infinorm.Samples;

/// <summary>Pictures that look the same everywhere and are written as a whole or not at all.</summary>
static class Picture
{
    /// <summary>The font of the pictures. It comes with the samples: some systems have none, and a picture then has no text.</summary>
    public static string FontName { get; } = AddFont("Infinorm Sans", "DejaVuSans.ttf");

    static string AddFont(string name, string file)
    {
        Fonts.AddFontFile(name, Path.Combine(AppContext.BaseDirectory, file));
        return name;
    }

    /// <summary>Writes a PNG.</summary>
    public static void Save(Multiplot plots, string path)
    {
        string temporary = path + ".tmp";
        foreach (Plot plot in plots.GetPlots())
        {
            plot.Font.Set(FontName);
            plot.Axes.Left.MinimumSize = 60; // the same for all, so that they are aligned
            plot.Axes.Right.MinimumSize = 30; // room for half of the last number
        }

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
