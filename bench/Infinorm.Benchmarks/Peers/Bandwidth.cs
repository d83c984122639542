using System.Numerics.Tensors;

namespace Infinorm.Benchmarks;

/// <summary>What the memory does with the two loops that are usually measured, on the threads of a team: to compare machines by.</summary>
static class Bandwidth
{
    /// <summary>One array to another: 8 bytes an element.</summary>
    public static Contender Copy(Streams streams, SpinTeam team) =>
        Of(team, streams.Length, range => streams.Gradients.Span[range].CopyTo(streams.Momentum.Span[range]));

    /// <summary>Two arrays to a third, one of them times a number: 12 bytes an element.</summary>
    public static Contender Triad(Streams streams, SpinTeam team) => Of(team, streams.Length, range =>
        TensorPrimitives.MultiplyAdd(streams.Gradients.Span[range], 0.5f, streams.Momentum.Span[range], streams.Norm.Span[range]));

    static Contender Of(SpinTeam team, int length, Action<Range> work) => new(() => team.Run((part, parts) =>
        work((int)((long)length * part / parts)..(int)((long)length * (part + 1) / parts))))
    {
        Before = team.Wake,
        After = team.Rest,
    };
}
