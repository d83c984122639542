using Xunit.Sdk;

namespace Infinorm.Tests.Conformance;

/// <summary>Runs a case of kind <c>cases</c> through the public API and compares the state after each step.</summary>
static class CaseRunner
{
    public static Outcome Run(OptimizerCase @case)
    {
        if (SettingDepartures.Of(@case.Optimizer.Config()) is { } departure)
        {
            AssertThrown(departure.Exception, Record.Exception(() => new Session(@case)));
            return departure.ToOutcome();
        }

        var session = new Session(@case);
        int number = 0;
        foreach (Step step in @case.Packed?.Unpack() ?? @case.Steps)
        {
            try
            {
                if (Take(step, session) is { } stop)
                    return stop;
            }
            catch (Exception exception)
            {
                throw new XunitException($"Step {number}, {step.GetType().Name}: {exception.Message}", exception);
            }

            number++;
        }

        return Outcome.Compared;
    }

    /// <summary>Takes one step; where the case cannot be compared any further, tells why.</summary>
    public static Outcome? Take(Step step, Session session)
    {
        Departure? departure = Departures.Of(step, session);
        if (departure is { Extent: Extent.Different })
            return departure.ToOutcome();
        if (departure is null && step.Error is null)
        {
            step.Run(session);
            session.Compare(step);
            return null;
        }

        var before = Snapshot.Of(session.Optimizer, session.Variables);
        Exception? thrown = Record.Exception(() => step.Run(session));
        AssertThrown(departure is null ? ToException(step.Error!) : departure.Exception, thrown);
        before.AssertUnchanged(session.Optimizer, session.Variables);
        if (departure is null)
        {
            session.Compare(step);
            return null;
        }

        // Where Keras raises, too, and has changed nothing either, the case goes on.
        bool kerasAgrees = step.Error is not null && Record.Exception(() => session.Compare(step)) is null;
        return kerasAgrees ? null : departure.ToOutcome();
    }

    static void AssertThrown(Type? expected, Exception? thrown)
    {
        if (expected is null)
            Assert.Null(thrown);
        else
            Assert.IsType(expected, thrown, exactMatch: false);
    }

    static Type ToException(KerasError error) => error.Type switch
    {
        "ValueError" or "KeyError" or "IndexError" => typeof(ArgumentException),
        "TypeError" or "AttributeError" => typeof(InvalidOperationException),
        _ => throw new NotSupportedException($"Keras's {error.Type} has no counterpart yet."),
    };
}
