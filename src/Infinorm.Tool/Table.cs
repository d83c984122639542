using Spectre.Console;

namespace Infinorm.Tool;

/// <summary>Rows of text: laid out for a person on a terminal, one line each with tabs between the columns for a program.</summary>
/// <param name="columns">Their heads; one that begins with ">" is aligned to the right.</param>
sealed class Table(params string[] columns)
{
    const char Right = '>';

    readonly List<string[]> _rows = [];

    public int Count => _rows.Count;

    /// <summary>Adds a row, of as many cells as there are columns.</summary>
    public void Add(params string[] cells) => _rows.Add(Array.ConvertAll(cells, Session.OneLine));

    public void Write(Session session)
    {
        session.Progress.Clear();
        if (session.IsOutputTerminal)
        {
            WriteForPeople(session.Output);
            return;
        }

        foreach (string[] row in _rows.Prepend(Array.ConvertAll(columns, column => column.TrimStart(Right))))
            session.Output.WriteLine(string.Join('\t', row));
    }

    void WriteForPeople(TextWriter output)
    {
        var table = new Spectre.Console.Table { Border = TableBorder.Simple };
        foreach (string column in columns)
        {
            bool isRight = column.StartsWith(Right);
            table.AddColumn(new TableColumn(new Text(column.TrimStart(Right), new Style(decoration: Decoration.Bold)))
            {
                Alignment = isRight ? Justify.Right : Justify.Left,
                NoWrap = isRight,
            });
        }

        foreach (string[] row in _rows)
            table.AddRow(row.Select(cell => new Text(cell)));
        AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) }).Write(table);
    }
}
