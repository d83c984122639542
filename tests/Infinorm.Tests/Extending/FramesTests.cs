using System.Diagnostics;
using Infinorm.Rules;
using Infinorm.Variables;

namespace Infinorm.Tests.Extending;

/// <summary>The way of a gradient is short enough to be read: docs/architecture.md draws it.</summary>
public sealed class FramesTests
{
    [Fact]
    public void AFormulaIsTenFramesBelowApply()
    {
        var optimizer = new Deep();
        optimizer.Build(new Variable<float>("w", new float[16]));
        optimizer.Apply(new float[16]);
        Assert.InRange(Array.IndexOf(Deep.Frames!, "Apply") + 1, 2, 10); // in a release build some are inlined
    }

    sealed class Deep() : RuleOptimizer(0.5)
    {
        public static string?[]? Frames { get; private set; }

        protected override void DefineSlots(Slots slots)
        {
        }

        protected override void UpdateStep<L>(RuleContext<L> context) => context.Run(new Rule<L>());

        readonly struct Rule<L> : IRule0<L>
            where L : struct, ILane<L>
        {
            public void Step(ref L weight, L gradient) =>
                Frames ??= [.. new StackTrace().GetFrames().Select(frame => frame.GetMethod()?.Name)];
        }
    }
}
