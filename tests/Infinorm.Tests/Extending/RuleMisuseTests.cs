using System.Runtime.CompilerServices;
using Infinorm.Rules;
using Infinorm.Variables;

namespace Infinorm.Tests.Extending;

/// <summary>What an author of an optimizer can get wrong is an exception that names the optimizer, before anything has changed.</summary>
public sealed class RuleMisuseTests
{
    readonly float[] _weights = [1, 2, 3];
    readonly float[] _gradient = [1, -1, 0.5f];

    [Fact]
    public void ASlotThatWasNeverDeclaredIsRefused() => Refuses(
        new Careless { UseEma = true, Declares = false },
        "x: its rule uses a slot that was never declared; declare it in DefineSlots and keep what Add returns.");

    [Fact]
    public void ASlotOfAnotherOptimizerIsRefused()
    {
        var other = new Careless { Name = "y" };
        other.Build(new Variable<float>("w", new float[1]));
        Refuses(new Careless { Foreign = other }, "x: its rule uses a slot that y declared; an optimizer can only use its own.");
    }

    [Fact]
    public void NoRuleIsRefused() => Refuses(
        new Careless { Runs = 0 }, "x: its UpdateStep gave no rule; each call must call one of the context's Run methods.");

    [Fact]
    public void ASecondRuleIsRefused() => Refuses(
        new Careless { Runs = 2, WeightDecay = 0.5 },
        "x: its UpdateStep gave a second rule; each call must call one of the context's Run methods once.");

    [Fact]
    public void AnExceptionOfUpdateStepComesBeforeAnythingHasChanged() => Refuses(new Careless { Throws = true }, "thrown");

    [Fact]
    public void ARuleThatThrowsIsSaidUntilTheStateIsSet()
    {
        var optimizer = new Careless { Name = "x", RuleThrows = true };
        optimizer.Build(new Variable<float>("w", _weights));
        NdArray[] before = [.. optimizer.Variables.Select(variable => variable.ToNdArray())];
        var error = Assert.ThrowsAny<InvalidOperationException>(() => optimizer.Apply(_gradient));
        Assert.StartsWith("x: the step failed in the middle, so that some variables are stepped and others are not (in the rule)", error.Message);
        Assert.Equal("in the rule", error.InnerException!.Message);
        Assert.Equal(0, optimizer.Iterations);

        using var saved = new MemoryStream();
        Assert.Equal(error.Message, Assert.Throws<InvalidOperationException>(() => optimizer.Save(saved)).Message);
        optimizer.RuleThrows = false;
        Assert.Equal(error.Message, Assert.Throws<InvalidOperationException>(() => optimizer.Apply(_gradient)).Message);
        optimizer.SetWeights(before);
        Assert.Equal(StepResult.Updated, optimizer.Apply(_gradient).Result);
    }

    void Refuses(Careless made, string message)
    {
        var optimizer = made.Called("x");
        optimizer.Build(new Variable<float>("w", _weights));
        string[] State() => [.. optimizer.Variables.Select(variable => Convert.ToHexString(variable.ToNdArray().Bytes))];
        string[] before = State();
        Assert.Equal(message, Assert.Throws<InvalidOperationException>(() => optimizer.Apply(_gradient)).Message);
        Assert.Equal([1, 2, 3], _weights);
        Assert.Equal(before, State());
    }

    sealed class Careless() : RuleOptimizer(0.5)
    {
        Slot _slot;
        string _called = "";

        public bool Declares { get; init; } = true;

        public Careless? Foreign { get; init; }

        public int Runs { get; init; } = 1;

        public bool Throws { get; init; }

        public bool RuleThrows { get; set; }

        public Careless Called(string name)
        {
            _called = name;
            return new Careless
            {
                Name = _called,
                Declares = Declares,
                Foreign = Foreign,
                Runs = Runs,
                Throws = Throws,
                UseEma = UseEma,
                WeightDecay = WeightDecay,
            };
        }

        protected override void DefineSlots(Slots slots)
        {
            if (Declares)
                _slot = slots.Add("slot");
        }

        protected override void UpdateStep<L>(RuleContext<L> context)
        {
            if (Throws)
                throw new InvalidOperationException("thrown");
            for (int run = 0; run < Runs; run++)
                context.Run(new Rule<L>(RuleThrows), Foreign?._slot ?? _slot);
        }

        readonly struct Rule<L>(bool throws) : IRule1<L>
            where L : struct, ILane<L>
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            public void Step(ref L weight, L gradient, ref L slot)
            {
                if (throws)
                    throw new ArithmeticException("in the rule");
                slot += gradient;
                weight -= slot;
            }
        }
    }
}
