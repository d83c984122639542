using System.Runtime.CompilerServices;
using Infinorm.Config;
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

    [Fact]
    public void ASlotDeclaredAfterDefineSlotsIsRefused()
    {
        Slots? kept = null;
        var optimizer = new Trial { Name = "x", Defines = slots => (kept = slots).Add("slot") };
        optimizer.Build(new Variable<float>("w", _weights));
        Assert.Equal(
            "x: the slot \"late\" is declared too late; slots are declared in DefineSlots, before it returns.",
            Assert.Throws<InvalidOperationException>(() => kept!.Add("late")).Message);
        Assert.Throws<InvalidOperationException>(() => kept!.AddScalar("late"));
    }

    [Fact]
    public void OneSlotInTwoPlacesOfARuleIsRefused()
    {
        foreach (int places in (int[])[2, 3])
        {
            var optimizer = new Trial { Name = "x", Places = places };
            optimizer.Build(new Variable<float>("w", _weights));
            Assert.Equal(
                "x: its rule uses the slot slot twice.", Assert.Throws<InvalidOperationException>(() => optimizer.Apply(_gradient)).Message);
            Assert.Equal([1, 2, 3], _weights);
        }
    }

    [Fact]
    public void AContextIsGoodForOneCallOfUpdateStep()
    {
        var optimizer = new Trial { Name = "x" };
        optimizer.Build(new Variable<float>("w", _weights));
        optimizer.Apply(_gradient);
        Assert.Equal(
            "x: a rule was given after its UpdateStep had returned; a context is good for one call of UpdateStep.",
            Assert.Throws<InvalidOperationException>(optimizer.RunLater!).Message);
    }

    [Fact]
    public void AFunctionThatMakesTheSameOptimizerTwiceIsSaid()
    {
        var only = new Trial { Name = "x" };
        Func<ConfigReader, Trial> create = RuleOptimizer.Reading(() => only); // what Register keeps: nothing takes it out again there
        only.Build(new Variable<float>("w", _weights));
        Assert.Equal(
            "Trial: the function that makes it gave x, which is built; it must make a new one each time.",
            Assert.Throws<InvalidOperationException>(() => create(new ConfigReader(nameof(Trial), []))).Message);
    }

    [Fact]
    public void ASlotThatBeginsInTwoWaysIsRefused()
    {
        foreach (SlotSpec spec in (SlotSpec[])
        [
            new("a") { StartsAsVariable = true, Initial = 1 },
            new("a") { StartsAsVariable = true, FormOf = (_, _) => SlotForm.Of(2) },
            new("a") { IsNeverNegative = true, Initial = -1 },
        ])
        {
            var optimizer = new Trial { Name = "x", Defines = slots => slots.Add(spec) };
            string message = Assert.Throws<ArgumentException>(() => optimizer.Build(new Variable<float>("w", _weights))).Message;
            Assert.StartsWith("x: the slot a ", message);
            Assert.False(optimizer.IsBuilt);
        }
    }

    [Fact]
    public void AFormThatIsNoShapeIsRefused()
    {
        Assert.StartsWith("The shape [-2, -3] has a negative size.", Assert.Throws<ArgumentException>(() => SlotForm.Of(-2, -3)).Message);
        Assert.Throws<ArgumentException>(() => SlotForm.Of(nint.MaxValue, 4));
    }

    [Fact]
    public async Task ARuleThatChangesItsMindBetweenStepsKeepsTheMemoryThatItAskedForFirst()
    {
        var optimizer = new Trial { Name = "x", RunsBlocks = true };
        optimizer.Build(new Variable<float>("w", _weights), new Variable<float>("v", new float[5000]));
        await Task.Run(
            () =>
            {
                for (int step = 0; step < 4; step++)
                    optimizer.Apply(_gradient, new float[5000]);
            },
            TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        Assert.Equal([8], optimizer.ScratchLengths);
        Assert.Equal(4, optimizer.Iterations);
    }

    [Fact]
    public void StateOfAStepThatFailedInTheMiddleIsNotSavedByKerassKeysEither()
    {
        var optimizer = new Careless { Name = "x", RuleThrows = true };
        optimizer.Build(new Variable<float>("w", _weights));
        Assert.ThrowsAny<InvalidOperationException>(() => optimizer.Apply(_gradient));
        var store = new VariableStore();
        Assert.ThrowsAny<InvalidOperationException>(() => optimizer.SaveOwnVariables(store));
        Assert.Empty(store.Keys);
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

    sealed class Trial() : RuleOptimizer(0.5), IBlockRule
    {
        readonly HashSet<int> _scratchLengths = [];
        Slot _slot;
        int _asked;

        public Func<Slots, Slot> Defines { get; init; } = slots => slots.Add("slot");

        public int Places { get; init; } = 1;

        public bool RunsBlocks { get; init; }

        public Action? RunLater { get; private set; }

        public IEnumerable<int> ScratchLengths => _scratchLengths;

        // Each answer differs from the one before.
        bool IBlockRule.NeedsWholeVariables => _asked % 2 == 0;

        int IBlockRule.ScratchLength(ReadOnlySpan<nint> shape) => 8 * (1 + (_asked++ / 2));

        void IBlockRule.Step<T>(Block<T> block)
        {
            lock (_scratchLengths)
                _scratchLengths.Add(block.Scratch.Length * Unsafe.SizeOf<T>() / sizeof(double));
        }

        protected override void DefineSlots(Slots slots) => _slot = Defines(slots);

        protected override void UpdateStep<L>(RuleContext<L> context)
        {
            RunLater = () => context.Run(new Rule<L>(), _slot);
            if (RunsBlocks)
                context.Run(this);
            else if (Places == 3)
                context.Run(new Rule<L>(), _slot, Slot.Absent, _slot);
            else if (Places == 2)
                context.Run(new Rule<L>(), _slot, _slot);
            else
                RunLater();
        }

        readonly struct Rule<L> : IRule1<L>, IRule2<L>, IRule3<L>
            where L : struct, ILane<L>
        {
            public void Step(ref L weight, L gradient, ref L first) => weight -= gradient;

            public void Step(ref L weight, L gradient, ref L first, ref L second) => weight -= gradient;

            public void Step(ref L weight, L gradient, ref L first, ref L second, ref L third) => weight -= gradient;
        }
    }
}
