using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace Infinorm.Tool.Charts;

/// <summary>A curve as an SVG picture.</summary>
static class SvgChart
{
    const int Width = 800, Height = 420, Left = 90, Right = 20, Top = 40, Bottom = 50, Ticks = 5;

    static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    public static void Write(Stream stream, Curve curve)
    {
        var picture = new XElement(
            Svg + "svg",
            new XAttribute("width", Width), new XAttribute("height", Height), new XAttribute("viewBox", $"0 0 {Width} {Height}"),
            new XAttribute("font-family", "sans-serif"), new XAttribute("font-size", 13),
            new XElement(Svg + "rect", new XAttribute("width", "100%"), new XAttribute("height", "100%"), new XAttribute("fill", "white")),
            Text(Left, Top - 15, "start", $"{curve.Name}: learning rate by step"));
        for (int tick = 0; tick < Ticks; tick++)
        {
            double part = tick / (Ticks - 1.0);
            picture.Add(Line(X(part), Top, X(part), Height - Bottom));
            picture.Add(Text(X(part), Height - Bottom + 20, "middle", Label(curve.Steps[^1] * part)));
            if (curve.Max > curve.Min)
                AddRate(part, curve.Min + ((curve.Max - curve.Min) * part));
        }

        if (curve.Max == curve.Min)
            AddRate(0.5, curve.Max);
        foreach (string points in Pieces(curve))
        {
            picture.Add(new XElement(
                Svg + "polyline", new XAttribute("points", points), new XAttribute("fill", "none"), new XAttribute("stroke", "#1f6fb4"),
                new XAttribute("stroke-width", 2)));
        }

        var settings = new XmlWriterSettings { Encoding = new UTF8Encoding(false), Indent = true, OmitXmlDeclaration = true };
        using var writer = XmlWriter.Create(stream, settings);
        picture.Save(writer);

        void AddRate(double part, double rate) =>
            picture.Add(Line(Left, Y(part), Width - Right, Y(part)), Text(Left - 8, Y(part) + 4, "end", Label(rate)));
    }

    // What is not finite parts the curve.
    static IEnumerable<string> Pieces(Curve curve)
    {
        var points = new StringBuilder();
        for (int i = 0; i < curve.Steps.Length; i++)
        {
            if (!double.IsNaN(curve.Y(i)))
                points.Append(points.Length > 0 ? " " : "").Append(Place(X(curve.X(i)))).Append(',').Append(Place(Y(curve.Y(i))));
            if (points.Length > 0 && (i == curve.Steps.Length - 1 || double.IsNaN(curve.Y(i))))
            {
                yield return points.ToString();
                points.Clear();
            }
        }
    }

    static double X(double part) => Left + (part * (Width - Left - Right));

    static double Y(double part) => Height - Bottom - (part * (Height - Top - Bottom));

    static XElement Line(double x1, double y1, double x2, double y2) => new(
        Svg + "line",
        new XAttribute("x1", Place(x1)), new XAttribute("y1", Place(y1)), new XAttribute("x2", Place(x2)), new XAttribute("y2", Place(y2)),
        new XAttribute("stroke", "#ddd"));

    static XElement Text(double x, double y, string anchor, string text) => new(
        Svg + "text", new XAttribute("x", Place(x)), new XAttribute("y", Place(y)), new XAttribute("text-anchor", anchor), text);

    static string Label(double value) => value.ToString("G4", CultureInfo.InvariantCulture);

    static string Place(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
