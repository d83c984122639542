using System.Text;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Infinorm.Tool.Terminal;

/// <summary>Rows of text: laid out for a person on a terminal, one line each with tabs between the columns for a program.</summary>
/// <param name="columns">
/// Their heads. One that begins with ">" is aligned to the right, one that begins with "~" may be broken into lines.
/// </param>
sealed class Table(params string[] columns)
{
    const char Right = '>', Long = '~';
    const int LeastLongWidth = 40, Padding = 3; // beside and between the columns

    readonly string[] _heads = Array.ConvertAll(columns, column => column.TrimStart(Right, Long));
    readonly List<string[]> _rows = [];

    public int Count => _rows.Count;

    /// <summary>Adds a row, of as many cells as there are columns.</summary>
    public void Add(params string[] cells) => _rows.Add(Array.ConvertAll(cells, Session.OneLine));

    public void Write(Session session)
    {
        session.Progress.Clear();
        if (session.IsOutputTerminal)
        {
            WriteForPeople(session);
            return;
        }

        foreach (string[] row in _rows.Prepend(_heads))
            session.Output.WriteLine(string.Join('\t', row));
    }

    /// <summary>The rows as JSON: an object each, by the heads.</summary>
    public JsonArray ToJson() => new(
    [
        .. _rows.Select(row => new JsonObject(_heads.Zip(row, (head, cell) => KeyValuePair.Create(head, (JsonNode?)JsonValue.Create(cell))))),
    ]);

    // Where the columns do not fit, a row is its first cell on a line and the others below it: nothing is broken inside a number.
    void WriteStacked(Session session)
    {
        foreach (string[] row in _rows)
        {
            session.Output.WriteLine(row[0]);
            var line = new StringBuilder();
            for (int i = 1; i < row.Length; i++)
            {
                string cell = $"  {_heads[i]} {row[i]}";
                if (line.Length > 0 && line.Length + cell.Length > session.Width)
                {
                    session.Output.WriteLine(line);
                    line.Clear();
                }

                line.Append(cell);
            }

            session.Output.WriteLine(line);
        }
    }

    void WriteForPeople(Session session)
    {
        var table = new Spectre.Console.Table { Border = TableBorder.Simple };
        int needed = 0;
        for (int i = 0; i < columns.Length; i++)
        {
            bool isLong = columns[i].StartsWith(Long);
            table.AddColumn(new TableColumn(new Text(_heads[i], new Style(decoration: Decoration.Bold)))
            {
                Alignment = columns[i].StartsWith(Right) ? Justify.Right : Justify.Left,
                NoWrap = !isLong,
            });
            needed += Padding + (isLong ? LeastLongWidth : _rows.Select(row => row[i].Length).Append(_heads[i].Length).Max());
        }

        if (needed + Padding > session.Width && columns.Length > 3)
        {
            WriteStacked(session);
            return;
        }

        foreach (string[] row in _rows)
            table.AddRow(row.Select(cell => new Text(cell)));
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(session.Output) });
        console.Profile.Width = Math.Max(session.Width, needed + Padding); // rather than break names and numbers
        console.Write(table);
    }
}
