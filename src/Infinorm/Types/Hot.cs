using System.Runtime.CompilerServices;

namespace Infinorm.Types;

/// <summary>How methods with a loop over elements are compiled.</summary>
static class Hot
{
    /// <summary>
    /// Optimized from the first call on, and never as a part of a caller: a caller that takes in several loops uses up what the compiler
    /// spends on inlining, and then calls the formula for every vector instead of having it in the loop, which takes five times as long.
    /// </summary>
    public const MethodImplOptions Loop = MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining;
}
