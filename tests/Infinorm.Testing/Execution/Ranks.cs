using System.Runtime.ExceptionServices;
using Infinorm.Execution;

namespace Infinorm.Tests.Execution.Sharded;

/// <summary>Runs the ranks of a world as threads.</summary>
static class Ranks
{
    /// <summary>What each rank gives; what the first that fails throws.</summary>
    public static T[] Run<T>(int count, Func<World, T> body)
    {
        IReadOnlyList<World> worlds = World.Threads(count);
        foreach (World world in worlds)
            world.BucketBytes = count == 4 ? 100_000 : world.BucketBytes; // no bits depend on it
        var results = new T[count];
        var failures = new Exception?[count];
        Thread[] threads = [.. Enumerable.Range(0, count).Select(rank => new Thread(() =>
        {
            try
            {
                results[rank] = body(worlds[rank]);
            }
            catch (Exception e)
            {
                failures[rank] = e;
                try
                {
                    worlds[rank].Abort(e.Message);
                }
                catch (WorldException)
                {
                }
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        if (failures.FirstOrDefault(failure => failure is not (null or WorldException)) is { } first)
            ExceptionDispatchInfo.Throw(first);
        if (failures.FirstOrDefault(failure => failure is not null) is { } other)
            ExceptionDispatchInfo.Throw(other);
        return results;
    }

    /// <summary>What each rank throws.</summary>
    public static Exception?[] Failures(int count, Action<World> body) => Run(count, world => Record.Exception(() => body(world)));
}
