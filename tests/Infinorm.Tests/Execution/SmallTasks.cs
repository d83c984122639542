using Infinorm.Execution.Memory;

namespace Infinorm.Tests.Execution;

/// <summary>
/// With INFINORM_SMALL_TASKS set, every chunk is a task of its own: the golden cases and the properties, whose variables are small, then
/// go through the helpers too.
/// </summary>
static class SmallTasks
{
    static readonly bool Wanted = Environment.GetEnvironmentVariable("INFINORM_SMALL_TASKS") is not null;

    /// <summary>The optimizer, not yet built, with small tasks if they are wanted.</summary>
    public static T WithSmallTasks<T>(this T optimizer)
        where T : Optimizer
    {
        foreach (RuleOptimizer stepper in Wanted ? optimizer.Steppers : [])
            stepper.UseExecutor(() => new MemoryExecutor(stepper.MaxDegreeOfParallelism, taskElements: 1));
        return optimizer;
    }
}
