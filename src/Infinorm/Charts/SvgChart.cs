using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace Infinorm.Charts;

/// <summary>Curves as an SVG picture.</summary>
static class SvgChart
{
    const int Width = 800, Height = 420, Left = 90, Right = 20, Top = 40, Bottom = 50, Ticks = 5, LegendLine = 18, Dot = 4;

    static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    static readonly string[] Colors = ["#1f6fb4", "#d9651f", "#3a923a", "#b83a3a", "#7f5ab0", "#7a5c50", "#c95fae", "#6e6e6e"];

    /// <param name="stream">Where to.</param>
    /// <param name="title">What stands above.</param>
    /// <param name="curves">One or several, over the same steps; several are named in the picture.</param>
    public static void Write(Stream stream, string title, IReadOnlyList<Curve> curves)
    {
        var picture = new XElement(
            Svg + "svg",
            new XAttribute("width", Width), new XAttribute("height", Height), new XAttribute("viewBox", $"0 0 {Width} {Height}"),
            new XAttribute("font-family", "sans-serif"), new XAttribute("font-size", 13),
            new XElement(Svg + "rect", new XAttribute("width", "100%"), new XAttribute("height", "100%"), new XAttribute("fill", "white")),
            Text(Left, Top - 15, "start", title));
        Curve[] drawn = [.. curves.Where(curve => curve.Values.Any(double.IsFinite))];
        double min = drawn.Select(curve => curve.Min).DefaultIfEmpty().Min(), max = drawn.Select(curve => curve.Max).DefaultIfEmpty().Max();
        for (int tick = 0; tick < Ticks; tick++)
        {
            double part = tick / (Ticks - 1.0);
            picture.Add(Line(X(part), Top, X(part), Height - Bottom));
            picture.Add(Text(X(part), Height - Bottom + 20, "middle", Label(curves[0].Steps[^1] * part)));
            if (max > min)
                AddValue(part, min + ((max - min) * part));
        }

        if (max == min)
            AddValue(0.5, max);
        for (int i = 0; i < curves.Count; i++)
            picture.Add(Drawn(curves[i], min, max, Colors[i % Colors.Length]));
        for (int i = 0; curves.Count > 1 && i < curves.Count; i++)
        {
            var name = Text(Width - Right - 8, Top + (LegendLine * (i + 1)), "end", curves[i].Name);
            name.Add(new XAttribute("fill", Colors[i % Colors.Length]));
            picture.Add(name);
        }

        var settings = new XmlWriterSettings { Encoding = new UTF8Encoding(false), Indent = true, OmitXmlDeclaration = true };
        using var writer = XmlWriter.Create(stream, settings);
        picture.Save(writer);

        void AddValue(double part, double value) =>
            picture.Add(Line(Left, Y(part), Width - Right, Y(part)), Text(Left - 8, Y(part) + 4, "end", Label(value)));
    }

    // What is not finite parts the curve; a piece of one point is a dot.
    static IEnumerable<XElement> Drawn(Curve curve, double min, double max, string color)
    {
        var piece = new List<(double X, double Y)>();
        for (int i = 0; i < curve.Steps.Length; i++)
        {
            double y = curve.Y(i, min, max);
            if (!double.IsNaN(y))
                piece.Add((X(curve.X(i)), Y(y)));
            if (piece.Count > 0 && (i == curve.Steps.Length - 1 || double.IsNaN(y)))
            {
                yield return piece is [var point]
                    ? new XElement(
                        Svg + "circle", new XAttribute("cx", Place(point.X)), new XAttribute("cy", Place(point.Y)),
                        new XAttribute("r", Dot), new XAttribute("fill", color))
                    : new XElement(
                        Svg + "polyline", new XAttribute("points", string.Join(' ', piece.Select(at => $"{Place(at.X)},{Place(at.Y)}"))),
                        new XAttribute("fill", "none"), new XAttribute("stroke", color), new XAttribute("stroke-width", 2));
                piece.Clear();
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
