using System.Runtime.CompilerServices;
using Infinorm.Constraints;
using Infinorm.Rules;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Extending;

/// <summary>The kinds of slots that an optimizer can declare.</summary>
public sealed class SlotTests
{
    [Fact]
    public void VariablesAreListedGroupByGroupAndBySlotWithin()
    {
        var optimizer = new Kinds { Name = "k", UseMasterWeights = true };
        optimizer.Build(new Variable<float>("a", new float[1]), new Variable<Half>("b", new Half[1]));
        Assert.Equal(
            [
                "k/iteration", "k/learning_rate", "k/a_first", "k/a_second", "k/b_first", "k/b_second", "k/a_third", "k/b_third",
                "k/product", "k/b_master",
            ],
            optimizer.Variables.Select(variable => variable.Path));
    }

    [Fact]
    public void SlotsAndScalarsBeginAtTheirFirstValues()
    {
        var optimizer = new Kinds();
        optimizer.Build(new Variable<double>("a", new double[2]));
        Assert.Equal([0.1, 0.1], optimizer.Variables[4].ToNdArray().AsSpan<double>().ToArray());
        Assert.Equal([1.0], optimizer.Variables[5].ToNdArray().AsSpan<double>().ToArray());
    }

    [Fact]
    public void AnAbsentSlotIsReadAsZeroAndNotListed()
    {
        float[] with = [1, 2, 3], without = [1, 2, 3];
        var optimizer = new Kinds { HasSecond = false };
        optimizer.Build(new Variable<float>("a", without));
        Assert.DoesNotContain(optimizer.Variables, variable => variable.Path.EndsWith("second", StringComparison.Ordinal));
        optimizer.Apply(new float[] { 1, 1, 1 });
        optimizer.Apply(new float[] { 1, 1, 1 });
        Assert.Equal(with.Select(w => w - (1 + 0.1f) - (1 + 0.1f)), without);
    }

    [Fact]
    public void AScalarMovesOnceAStepAndIsSavedAndCloned()
    {
        var optimizer = new Kinds();
        float[] a = new float[2];
        double[] b = new double[2];
        optimizer.Build(new Variable<float>("a", a), new Variable<double>("b", b));
        Gradient[] gradients = [new float[2], new double[2]];
        optimizer.Apply(gradients);
        Assert.Equal(0.5, Product(optimizer));

        NdArray[] state = [.. optimizer.Variables.Select(variable => variable.ToNdArray())];
        var (_, after) = optimizer.StatelessApply(state, gradients, [NdArray.Create(a), NdArray.Create(b)]);
        Assert.Equal(0.25f, after[^1].AsSpan<float>()[0]);
        Assert.Equal(0.5, Product(optimizer));

        var loaded = new Kinds();
        loaded.Build(new Variable<float>("a", a), new Variable<double>("b", b));
        loaded.SetWeights(state);
        Assert.Equal(0.5, Product(loaded));
    }

    [Fact]
    public void AScalarStaysWhereTheStepIsSkipped()
    {
        var optimizer = new Kinds();
        var scaled = new LossScaleOptimizer(optimizer);
        scaled.Build(new Variable<float>("a", new float[1]));
        Assert.Equal(StepResult.Skipped, scaled.Apply(new[] { float.NaN }).Result);
        Assert.Equal(1, Product(optimizer));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ARuleOverSpansStepsAsTheSameInLanes(bool whole)
    {
        var random = new Random(1);
        foreach (int length in new[] { 0, 1, 15, 512, 700, 40_000 })
        {
            Half[] half = [.. Enumerable.Range(0, length).Select(_ => (Half)(random.NextDouble() - 0.5))];
            float[] single = [.. half.Select(x => (float)x)];
            double[] dual = [.. half.Select(x => (double)x)];
            Gradient[] gradients = [half.ToArray(), single.ToArray(), dual.ToArray()];
            Variable[] lanes = Make(half, single, dual), spans = Make(half, single, dual);
            Train(new OverSpans(whole, inLanes: true), lanes, gradients);
            Train(new OverSpans(whole, inLanes: false), spans, gradients);
            Assert.Equal(
                lanes.Select(variable => Convert.ToHexString(variable.ToNdArray().Bytes)),
                spans.Select(variable => Convert.ToHexString(variable.ToNdArray().Bytes)));
        }

        static Variable[] Make(Half[] half, float[] single, double[] dual) =>
        [
            new Variable<Half>("h", half.ToArray()) { Constraint = new NonNeg() }, new Variable<float>("s", single.ToArray()),
            new Variable<double>("d", dual.ToArray()),
        ];

        static void Train(RuleOptimizer optimizer, Variable[] variables, Gradient[] gradients)
        {
            optimizer.Build(variables);
            for (int step = 0; step < 4; step++)
                optimizer.Apply(gradients);
        }
    }

    static double Product(Optimizer optimizer)
    {
        NdArray value = optimizer.Variables[^1].ToNdArray();
        return value.Cast(DType.Float64).AsSpan<double>()[0];
    }

    sealed class Kinds() : RuleOptimizer(0.5)
    {
        Slot _first, _second, _third;
        ScalarSlot _product;

        public bool HasSecond { get; init; } = true;

        protected override void DefineSlots(Slots slots)
        {
            if (HasSecond)
                (_first, _second) = slots.Add("first", "second");
            else
                (_first, _second) = (slots.Add("first"), Slot.Absent);
            _third = slots.Add(new SlotSpec("third") { Initial = 0.1, IsNeverNegative = true });
            _product = slots.AddScalar("product", 1);
        }

        protected override void UpdateStep<L>(RuleContext<L> context)
        {
            context.Write(_product, context.Read(_product) * 0.5);
            context.Run(new Rule<L>(), _first, _second, _third);
        }

        readonly struct Rule<L> : IRule3<L>
            where L : struct, ILane<L>
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            public void Step(ref L weight, L gradient, ref L first, ref L second, ref L third)
            {
                second += gradient;
                weight -= second + third;
            }
        }
    }

    sealed class OverSpans : RuleOptimizer, IBlockRule
    {
        readonly bool _whole, _inLanes;
        Slot _sum;

        public OverSpans(bool whole, bool inLanes)
            : base(0.5)
        {
            (_whole, _inLanes) = (whole, inLanes);
            (WeightDecay, UseEma, EmaMomentum, EmaOverwriteFrequency, ClipValue, GradientAccumulationSteps) = (0.1, true, 0.5, 2, 0.25, 2);
        }

        bool IBlockRule.NeedsWholeVariables => _whole;

        protected override void DefineSlots(Slots slots) => _sum = slots.Add("sum");

        protected override void UpdateStep<L>(RuleContext<L> context)
        {
            if (_inLanes)
                context.Run(new Rule<L>(), _sum);
            else
                context.Run(this);
        }

        void IBlockRule.Step<T>(Block<T> block)
        {
            Span<T> sum = block[_sum];
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] += block.Gradient[i] * T.CreateChecked(3);
                block.Weights[i] -= sum[i];
            }
        }

        readonly struct Rule<L> : IRule1<L>
            where L : struct, ILane<L>
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            public void Step(ref L weight, L gradient, ref L sum)
            {
                sum += gradient * L.Of(3);
                weight -= sum;
            }
        }
    }
}
