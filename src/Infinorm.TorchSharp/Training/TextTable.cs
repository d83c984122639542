namespace Infinorm.Torch.Training;

/// <summary>Rows of cells as lines of text, each column as wide as its widest cell.</summary>
static class TextTable
{
    /// <summary>The heading, a rule and the rows.</summary>
    /// <param name="head">The titles of the columns.</param>
    /// <param name="rows">As many cells as there are titles.</param>
    /// <param name="left">How many columns, from the first one, are words, which begin on the left; the others are numbers.</param>
    /// <returns>The lines, and the rule to end the table with.</returns>
    public static (IEnumerable<string> Lines, string Rule) Of(
        IReadOnlyList<string> head, IReadOnlyList<IReadOnlyList<string>> rows, int left)
    {
        int[] widths = [.. head.Select((title, i) => rows.Select(row => row[i].Length).Append(title.Length).Max())];
        string rule = string.Join("  ", widths.Select(width => new string('─', width)));
        return ([Line(head), rule, .. rows.Select(Line)], rule);

        string Line(IReadOnlyList<string> cells) => string.Join("  ", cells.Select(
            (cell, i) => i < left ? cell.PadRight(widths[i]) : cell.PadLeft(widths[i]))).TrimEnd();
    }
}
