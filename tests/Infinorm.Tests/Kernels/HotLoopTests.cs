using System.Reflection;

namespace Infinorm.Tests.Kernels;

public sealed class HotLoopTests
{
    const BindingFlags All = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    /// <summary>Taken into a caller, a loop may call the formula for every vector.</summary>
    [Fact]
    public void What_is_optimized_from_the_start_is_never_inlined()
    {
        MethodInfo[] loops =
        [
            .. typeof(Optimizer).Assembly.GetTypes().SelectMany(type => type.GetMethods(All)).Where(
                method => method.MethodImplementationFlags.HasFlag(MethodImplAttributes.AggressiveOptimization)),
        ];

        Assert.NotEmpty(loops);
        Assert.DoesNotContain(loops, loop => !loop.MethodImplementationFlags.HasFlag(MethodImplAttributes.NoInlining));
    }
}
