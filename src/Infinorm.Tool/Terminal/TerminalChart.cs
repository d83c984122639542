using System.Globalization;
using Infinorm.Charts;

namespace Infinorm.Tool.Terminal;

/// <summary>A curve in dots of Braille, four by two in a character.</summary>
static class TerminalChart
{
    const int Height = 16, LabelWidth = 12, LeastWidth = 20, DotsDown = 4, DotsAcross = 2;

    // Braille characters begin here; each dot is a bit, the lower row came later to the alphabet.
    const char Blank = '\u2800';

    static readonly int[,] Bits = { { 0x01, 0x08 }, { 0x02, 0x10 }, { 0x04, 0x20 }, { 0x40, 0x80 } };

    /// <param name="session">Where to.</param>
    /// <param name="curve">The points of the curve.</param>
    public static void Write(Session session, Func<int, Curve> curve)
    {
        int width = Math.Max(LeastWidth, session.Width - LabelWidth - 2);
        Curve points = curve(width * DotsAcross);
        char[][] cells = Draw(points, width);

        string last = points.Steps[^1].ToString(CultureInfo.InvariantCulture);
        session.Output.WriteLine($"{points.Name}, {last} steps");
        for (int row = 0; row < Height; row++)
        {
            bool isLabelled = points.Max > points.Min ? row is 0 or Height - 1 : row == Height / 2;
            string label = !isLabelled ? "" : NumberFormat.Rounded(row == Height - 1 ? points.Min : points.Max);
            session.Output.WriteLine($"{label.PadLeft(LabelWidth)} {(isLabelled ? '┤' : '│')}{new string(cells[row]).TrimEnd(Blank)}");
        }

        session.Output.WriteLine($"{new string(' ', LabelWidth)} └{new string('─', width)}");
        session.Output.WriteLine($"{new string(' ', LabelWidth + 2)}0{last.PadLeft(width - 1)}");
    }

    static char[][] Draw(Curve curve, int width)
    {
        char[][] cells = [.. Enumerable.Range(0, Height).Select(_ => Enumerable.Repeat(Blank, width).ToArray())];
        (int X, int Y)? former = null;
        for (int i = 0; i < curve.Steps.Length; i++)
        {
            if (double.IsNaN(curve.Y(i)))
            {
                former = null;
                continue;
            }

            var dot = (
                X: (int)Math.Round(curve.X(i) * ((width * DotsAcross) - 1)),
                Y: (int)Math.Round((1 - curve.Y(i)) * ((Height * DotsDown) - 1)));
            Connect(cells, former ?? dot, dot);
            former = dot;
        }

        return cells;
    }

    static void Connect(char[][] cells, (int X, int Y) from, (int X, int Y) to)
    {
        int count = Math.Max(1, Math.Max(Math.Abs(to.X - from.X), Math.Abs(to.Y - from.Y)));
        for (int i = 0; i <= count; i++)
        {
            int x = from.X + ((to.X - from.X) * i / count), y = from.Y + ((to.Y - from.Y) * i / count);
            cells[y / DotsDown][x / DotsAcross] |= (char)Bits[y % DotsDown, x % DotsAcross];
        }
    }
}
