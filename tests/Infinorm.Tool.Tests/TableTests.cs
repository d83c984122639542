using Infinorm.Tool.Terminal;

namespace Infinorm.Tool.Tests;

public class TableTests
{
    [Fact]
    public void AProgramReadsTabs() => Assert.Equal("name\tnumber\na\\u0009[b]\t1\nc\t200\n", Write(isTerminal: false));

    [Fact]
    public void APersonSeesColumns()
    {
        string plain = Write(isTerminal: true).Replace("\u001b[1m", "").Replace("\u001b[0m", ""); // the heads may be bold
        string[] lines = plain.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        int end = Array.Find(lines, line => line.Contains("name"))!.TrimEnd().Length;
        Assert.EndsWith("200", lines.Single(line => line.Contains('c'))[..end]);
        Assert.EndsWith("  1", lines.Single(line => line.Contains("a\\u0009[b]"))[..end]);
    }

    [Fact]
    public void NamesAreNotBrokenOnANarrowTerminal()
    {
        string name = new('n', 100), text = string.Join(' ', Enumerable.Repeat("text", 30));
        var table = new Table("name", "~text");
        table.Add(name, text);
        string output = Write(table, isTerminal: true);
        Assert.Contains(name, output);
        Assert.DoesNotContain(text, output);
    }

    static string Write(bool isTerminal)
    {
        var table = new Table("name", ">number");
        table.Add("a\t[b]", "1");
        table.Add("c", "200");
        return Write(table, isTerminal);
    }

    static string Write(Table table, bool isTerminal)
    {
        var output = new StringWriter();
        table.Write(new Session(output, TextWriter.Null, isTerminal, 80, new Progress(TextWriter.Null, false, TimeProvider.System), CancellationToken.None));
        return output.ToString();
    }
}
