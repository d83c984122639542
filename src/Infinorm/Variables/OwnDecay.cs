namespace Infinorm.Variables;

/// <summary>The weight decay of a variable that does not follow its optimizer's.</summary>
/// <param name="Value">The decay; null for none.</param>
readonly record struct OwnDecay(double? Value);
