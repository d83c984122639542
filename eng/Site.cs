// dotnet run eng/Site.cs: checks every link between the pages of the repository, then builds the site with docfx into artifacts/docs/site.
// A link to a file that is no page becomes an address in the repository. A broken link or a warning of docfx ends it with 1. With --check it
// checks the links and builds nothing.
#:property PublishAot=false
using System.Diagnostics;
using System.Text.RegularExpressions;

string? output = args.Contains("--check") ? null : "artifacts/docs";
string repository = Regex.Match(File.ReadAllText("Directory.Build.props"), "<RepositoryUrl>(.*)</RepositoryUrl>").Groups[1].Value;
if (Directory.Exists(output))
    Directory.Delete(output, recursive: true);

// Pages keep their places, so links between them hold; what docs/site has is the root of the site.
string[] pages =
[
    .. Directory.GetFiles(".", "*.md").Concat(Directory.GetFiles("docs", "*.md"))
        .Concat(new[] { "src", "samples", "tests" }.SelectMany(folder => Directory.GetFiles(folder, "README.md", SearchOption.AllDirectories)))
        .Select(path => Path.GetRelativePath(".", path).Replace('\\', '/'))
        .Where(path => !Regex.IsMatch(path, "(^|/)(bin|obj)/")),
];
Dictionary<string, string> sources = pages.ToDictionary(page => page);
foreach (string file in Directory.GetFiles("docs/site", "*.md"))
    sources[Path.GetFileName(file)] = file;

int broken = 0;
foreach ((string page, string source) in sources)
{
    string folder = Path.GetDirectoryName(page)!;
    string text = OutsideCode(File.ReadAllText(source), prose => Regex.Replace(prose, @"\]\((?!\w+:)([^)\s#]*)(#[^)\s]*)?\)", link =>
    {
        string target = link.Groups[1].Value, anchor = link.Groups[2].Value;
        string path = target.Length == 0 ? page : Normal(Path.Combine(folder, target));
        bool isPage = sources.TryGetValue(path, out string? linked);
        if (!isPage && !File.Exists(path) && !Directory.Exists(path) && !path.StartsWith("api/", StringComparison.Ordinal))
            Report($"{source}: {link.Value[1..]}: there is no {path}.");
        else if (isPage && anchor.Length > 0 && !Anchors(File.ReadAllText(linked!)).Contains(anchor[1..]))
            Report($"{source}: {link.Value[1..]}: {linked} has no such heading.");
        bool onSite = isPage || path.StartsWith("docs/images/", StringComparison.Ordinal) || path.StartsWith("api/", StringComparison.Ordinal);
        return onSite ? link.Value : $"]({repository}/{(Directory.Exists(path) ? "tree" : "blob")}/main/{path}{anchor})";
    }));
    if (output is not null)
        Write(page, text);
}

if (output is not null)
{
    foreach (string file in Directory.GetFiles("docs/site").Where(file => !file.EndsWith(".md", StringComparison.Ordinal)))
        Write(Path.GetFileName(file), File.ReadAllText(file));
    foreach (string image in Directory.GetFiles(".", "*.*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(".", path).Replace('\\', '/'))
        .Where(path => Regex.IsMatch(path, @"^(docs|samples)/.*\.(png|svg)$") && !Regex.IsMatch(path, "/(bin|obj)/")))
    {
        Directory.CreateDirectory(Path.Combine(output, Path.GetDirectoryName(image)!));
        File.Copy(image, Path.Combine(output, image), overwrite: true);
    }
}

Console.WriteLine($"{sources.Count} pages, {broken} broken links");
if (broken > 0)
    return 1;
if (output is null)
    return 0;
bool built = Docfx("metadata") && Docfx("build");
Console.WriteLine(built ? $"the site: {output}/site/index.html" : "docfx failed");
return built ? 0 : 1;

bool Docfx(string command)
{
    using var docfx = Process.Start("dotnet", ["docfx", command, $"{output}/docfx.json", "--warningsAsErrors"]);
    docfx.WaitForExit();
    return docfx.ExitCode == 0;
}

void Report(string message)
{
    broken++;
    Console.Error.WriteLine(message);
}

void Write(string page, string text)
{
    string path = Path.Combine(output, page);
    Directory.CreateDirectory(Path.GetDirectoryName(path)!);
    File.WriteAllText(path, text);
}

// The path without "." and "..", from the repository's root.
static string Normal(string path) => Path.GetRelativePath(".", path).Replace('\\', '/');

// Every second part is code: fenced, or between backticks.
static string OutsideCode(string text, Func<string, string> change) =>
    string.Concat(Regex.Split(text, "(^```.*?^```|`[^`\n]+`)", RegexOptions.Multiline | RegexOptions.Singleline)
        .Select((part, i) => i % 2 == 0 ? change(part) : part));

// GitHub's, which docfx makes as well: letters, digits and hyphens of the heading's text.
static HashSet<string> Anchors(string text) =>
[
    .. Regex.Matches(Regex.Replace(text, "^```.*?^```", "", RegexOptions.Multiline | RegexOptions.Singleline), "^#+ +(.*)$", RegexOptions.Multiline)
        .Select(heading => Regex.Replace(heading.Groups[1].Value.Trim().ToLowerInvariant(), @"[^\p{L}\p{N} _-]", "").Replace(' ', '-')),
];
