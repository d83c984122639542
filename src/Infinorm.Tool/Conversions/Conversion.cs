namespace Infinorm.Tool.Conversions;

/// <summary>A conversion that is known to be possible.</summary>
/// <param name="Omissions">What the other format has no room for.</param>
/// <param name="Notes">What else one should know.</param>
/// <param name="Write">Writes the file to a stream that can seek.</param>
sealed record Conversion(IReadOnlyList<string> Omissions, IReadOnlyList<string> Notes, Action<Stream> Write);
