namespace Infinorm.Tests.Conformance;

/// <summary>A call that makes something from a config, and whether it has to fail.</summary>
static class Attempt
{
    /// <summary>Makes the call; null when it went through, as Keras's did, and its result is to be compared.</summary>
    public static Outcome? Run(Action call, KerasError? error, Departure? departure, string[]? warnings = null)
    {
        Exception? thrown = Record.Exception(call);
        if (error is not null && thrown is null && departure is { Extent: Extent.Different })
            return departure.ToOutcome();
        if (error is not null)
        {
            Assert.True(thrown is FormatException or ArgumentException, $"Keras raised {error.Type}; here {thrown?.ToString() ?? "none"}");
            return Outcome.Compared;
        }

        if (departure is { Extent: Extent.Refused })
        {
            Assert.IsType(departure.Exception!, thrown, exactMatch: false);
            return departure.ToOutcome();
        }

        Assert.Null(thrown);
        Assert.Empty(warnings ?? []);
        return null;
    }
}
