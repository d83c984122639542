using System.CommandLine;

namespace Infinorm.Tool;

/// <summary>A subcommand with examples for its help.</summary>
sealed class Subcommand(string name, string description, params string[] examples) : Command(name, description)
{
    /// <summary>Command lines that work, the most usual first.</summary>
    public IReadOnlyList<string> Examples => examples;
}
