using ScottPlot;

namespace Infinorm.Samples.Tests;

/// <summary>Pictures have text on a machine without fonts, because their font comes with the samples.</summary>
public sealed class PictureTests
{
    [Fact]
    public void TheFontIsTheOneThatComesWithTheSamples()
    {
        Assert.True(File.Exists(Path.Combine(AppContext.BaseDirectory, "DejaVuSans.ttf")));
        using var typeface = Fonts.GetTypeface(Picture.FontName, bold: false, italic: false);
        Assert.Equal("DejaVu Sans", typeface.FamilyName);
        Assert.True(typeface.ContainsGlyphs("accuracy, 0.5 %"));
    }
}
