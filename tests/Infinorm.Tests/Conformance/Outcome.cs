namespace Infinorm.Tests.Conformance;

/// <summary>How far a case was compared.</summary>
enum Extent
{
    /// <summary>To its end.</summary>
    Compared,

    /// <summary>To a call that Keras lets pass and Infinorm refuses: exception and unchanged state were checked there.</summary>
    Refused,

    /// <summary>To a call whose result is decided to differ from Keras's.</summary>
    Different,

    /// <summary>Not at all: the call has no counterpart in .NET.</summary>
    NotApplicable,

    /// <summary>To a difference that nobody decided on.</summary>
    Failed,
}

/// <summary>How far a case was compared, and why not further.</summary>
readonly record struct Outcome(Extent Extent, string Reason = "")
{
    public static Outcome Compared => new(Extent.Compared);
}
