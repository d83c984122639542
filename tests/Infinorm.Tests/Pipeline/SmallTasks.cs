using System.Runtime.CompilerServices;
using Infinorm.Pipeline;

namespace Infinorm.Tests.Pipeline;

/// <summary>
/// With INFINORM_SMALL_TASKS set, every chunk is a task of its own: the golden cases and the properties, whose variables are small, then
/// go through the helpers too.
/// </summary>
static class SmallTasks
{
    [ModuleInitializer]
    public static void Initialize()
    {
        if (Environment.GetEnvironmentVariable("INFINORM_SMALL_TASKS") is not null)
            WorkList.TaskElements = 1;
    }
}
