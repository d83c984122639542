using System.Text.Json.Nodes;
using Infinorm.Kernels;
using Infinorm.Optimizers;
using Infinorm.Rules;
using Infinorm.Schedules;
using Infinorm.Tests.Properties;
using Infinorm.Types;
using Infinorm.Variables;
using TorchSharp.Modules;
using static Infinorm.Torch.Tests.TensorTools;
using static TorchSharp.torch;
using Adam = Infinorm.Tests.Extending.PlainAdamOptimizer;

namespace Infinorm.Torch.Tests;

/// <summary>The path of other devices, forced on CPU tensors, steps as the kernels do.</summary>
public class TensorExecutorTests
{
    const int Steps = 6;

    static readonly Dictionary<string, Func<Infinorm.Optimizer>> Makers = new()
    {
        ["bare"] = () => new Adamax(0.1),
        ["torch"] = () => new TorchAdamax(0.1, coupledWeightDecay: 0.1),
        ["decay"] = () => new Adamax(0.1) { WeightDecay = 0.1 },
        ["norm"] = () => new Adamax(0.1) { ClipNorm = 0.5 },
        ["global norm"] = () => new Adamax(0.1) { GlobalClipNorm = 0.5 },
        ["value"] = () => new Adamax(0.1) { ClipValue = 0.25 },
        ["scale"] = () => new Adamax(0.1) { LossScaleFactor = 3 },
        ["averages"] = () => new Adamax(0.1) { UseEma = true, EmaMomentum = 0.9, EmaOverwriteFrequency = 3 },
        ["accumulation"] = () => new Adamax(0.1) { GradientAccumulationSteps = 2, UseEma = true },
        ["master weights"] = () => new Adamax(0.001) { UseMasterWeights = true, WeightDecay = 0.1 },
        ["averaged master weights"] = () => new Adamax(0.1) { UseMasterWeights = true, UseEma = true, EmaOverwriteFrequency = 2 },
        ["all"] = () => new LossScaleOptimizer(new Adamax(0.1)
        {
            GlobalClipNorm = 0.5,
            GradientAccumulationSteps = 2,
            UseEma = true,
            WeightDecay = 0.01,
        }),
    };

    static readonly ScalarType[] Types = [ScalarType.Float32, ScalarType.Float64, ScalarType.Float16, ScalarType.BFloat16];

    public static MatrixTheoryData<string, ScalarType> Cases => new(Makers.Keys, Types);

    [Theory]
    [MemberData(nameof(Cases))]
    public void AgreesWithTheKernels(string settings, ScalarType type)
    {
        using var inMemory = new Model(type, Makers[settings](), onTensors: false);
        using var onTensors = new Model(type, Makers[settings](), onTensors: true);
        for (int step = 0; step < Steps; step++)
        {
            StepInfo expected = inMemory.Step(step), found = onTensors.Step(step);
            Assert.Equal(expected.Result, found.Result);
            Assert.Equal(expected.MissingGradients, found.MissingGradients);
            Assert.Equal(expected.GradientNorm ?? 0, found.GradientNorm ?? 0, 2e-7 * (expected.GradientNorm ?? 1));
            if (settings == "all" && step == 2)
                Assert.Equal(StepResult.Skipped, found.Result);
        }

        Assert.Equal(inMemory.Variables.Select(v => v.Path), onTensors.Variables.Select(v => v.Path));
        foreach ((Variable expected, Variable found) in inMemory.Variables.Zip(onTensors.Variables))
            AssertClose(expected.ToNdArray(), found.ToNdArray());
    }

    public static MatrixTheoryData<string, ScalarType> Variants => new(Registered.Variants, Types);

    [Theory]
    [MemberData(nameof(Variants))]
    public void EveryOptimizerAgrees(string variant, ScalarType type) =>
        Compare(() => Registered.Create(variant), type, isExact: Registered.Create(variant) is IBlockRule);

    public static MatrixTheoryData<string, ScalarType> BlockVariants =>
        new(Registered.Variants.Where(variant => Registered.Create(variant) is IBlockRule), Types);

    // Norms are summed in another order.
    [Theory]
    [MemberData(nameof(BlockVariants))]
    public void EveryStageButNormsIsExactAroundARuleOverWholeVariables(string variant, ScalarType type)
    {
        JsonObject config = Registered.Config(variant);
        JsonObject settings = config["config"]!.AsObject();
        settings["clipvalue"] = 0.75;
        settings["gradient_accumulation_steps"] = 2;
        settings["loss_scale_factor"] = 3;
        settings["weight_decay"] = 0.1;
        settings["use_ema"] = true;
        settings["ema_momentum"] = 0.9;
        settings["ema_overwrite_frequency"] = 2;
        settings["use_master_weights"] = true;
        Compare(() => (RuleOptimizer)Infinorm.Optimizer.FromConfig(config), type, isExact: true);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(0.0)]
    [InlineData(0.5)]
    public void WhatMuonLeavesToAdamHasItsOwnDecay(double? decay) =>
        Compare(() => new Muon(0.1, adamWeightDecay: decay) { WeightDecay = 0.25 }, ScalarType.Float32, isExact: true);

    [Fact]
    public void RulesWithRootsAgreeAsTheirRootsDo() => Compare(() => new Adam(0.1), ScalarType.Float32, isExact: false);

    // The library's vectorised root is not always the nearest number, so weights near zero agree by value, not by unit.
    static void Compare(Func<RuleOptimizer> make, ScalarType type, bool isExact)
    {
        using var inMemory = new Model(type, make(), onTensors: false);
        using var onTensors = new Model(type, make(), onTensors: true);
        for (int step = 0; step < Steps; step++)
        {
            inMemory.Step(step);
            onTensors.Step(step);
        }

        Assert.Equal(inMemory.Variables.Select(v => v.Path), onTensors.Variables.Select(v => v.Path));
        foreach ((Variable expected, Variable found) in inMemory.Variables.Zip(onTensors.Variables))
        {
            Assert.Equal(expected.DType, found.DType);
            Assert.Equal(expected.Shape, found.Shape);
            NdArray a = expected.ToNdArray(), b = found.ToNdArray();
            if (isExact)
                Assert.Equal(a.Bytes, b.Bytes);
            else
                AssertCloseByValue(a, b);
        }
    }

    static void AssertCloseByValue(NdArray expected, NdArray found)
    {
        if (expected.DType is DType.Float16 or DType.BFloat16)
        {
            AssertClose(expected, found);
            return;
        }

        bool isFloat = expected.DType == DType.Float32;
        double[] a = expected.Cast(DType.Float64).AsSpan<double>().ToArray(), b = found.Cast(DType.Float64).AsSpan<double>().ToArray();

        // In double a difference of roots that Ftrl divides by the rate, 0.001, shows.
        Assert.All(
            a.Zip(b), pair => Assert.Equal(pair.First, pair.Second, isFloat ? 1e-6 : 1e-12 * Math.Max(1, Math.Abs(pair.First))));
    }

    [Fact]
    public void ARuleOverSpansSeesAtMostABlock()
    {
        Compare(Make, ScalarType.Float32, isExact: true);

        static Spans Make() => new(0.25) { Name = "optimizer" };
    }

    [Fact]
    public void ARuleThatAsksForLessThanNothingChangesNothing()
    {
        using Parameter parameter = Parameter(1, 6, 5);
        float[] before = Floats(parameter);
        using var optimizer = new TorchOptimizer(new Spans(0.25) { Whole = true, Scratch = -1 }, [new([("a", parameter)])], onTensors: true);
        for (int i = 0; i < 2; i++)
            Assert.Contains("ScratchLength must be >= 0, found -1", Assert.Throws<InvalidOperationException>(() => optimizer.step()).Message);
        Assert.Equal(0, optimizer.Optimizer.Iterations);
        Assert.Equal(before, Floats(parameter));
    }

    [Fact]
    public void ARuleOverWholeVariablesSeesWeightsGradientSlotAndScratchOfOne()
    {
        Compare(Make, ScalarType.Float64, isExact: true);

        static Spans Make() => new(0.25) { Name = "optimizer", Whole = true, Scratch = 5 };
    }

    /// <summary>Gradient descent that counts its steps in a slot and adds the length of its scratch and the number of its block's elements.</summary>
    sealed class Spans(LearningRate rate) : RuleOptimizer(rate), IBlockRule
    {
        Slot _count;

        public bool Whole { get; init; }

        public int Scratch { get; init; }

        bool IBlockRule.NeedsWholeVariables => Whole;

        int IBlockRule.ScratchLength(ReadOnlySpan<nint> shape) => Scratch;

        protected override void DefineSlots(Slots slots) => _count = slots.Add("count");

        protected override void UpdateStep<L>(RuleContext<L> context) => context.Run(this);

        void IBlockRule.Step<T>(Block<T> block)
        {
            block.Scratch.Fill(T.One);
            for (int i = 0; i < block.Weights.Length; i++)
            {
                block[_count][i] += T.One;
                block.Weights[i] -= block.LearningRate * block.Gradient[i];
                block.Weights[i] += block[_count][i] + T.CreateTruncating(block.Weights.Length + block.Scratch.Length);
            }
        }
    }

    [Fact]
    public void StateGoesFromOnePathToTheOther()
    {
        using var inMemory = new Model(ScalarType.Float32, new Adamax(0.1) { UseEma = true }, onTensors: false);
        using var onTensors = new Model(ScalarType.Float32, new Adamax(0.1) { UseEma = true }, onTensors: true);
        inMemory.Step(0);
        onTensors.Step(1);
        var store = new VariableStore();
        inMemory.Optimizer.Optimizer.SaveOwnVariables(store);
        onTensors.Optimizer.Optimizer.LoadOwnVariables(store);
        Assert.Equal(1, onTensors.Optimizer.Optimizer.Iterations);
        foreach ((Variable expected, Variable found) in inMemory.Optimizer.Optimizer.Variables.Zip(onTensors.Optimizer.Optimizer.Variables))
            Assert.Equal(expected.ToNdArray().Bytes, found.ToNdArray().Bytes);

        inMemory.Optimizer.FinalizeVariableValues();
        onTensors.Optimizer.FinalizeVariableValues();
        Assert.Equal(inMemory.Variables[0].ToNdArray().Bytes, onTensors.Variables[0].ToNdArray().Bytes);
        Assert.Throws<NotSupportedException>(
            () => onTensors.Optimizer.Optimizer.StatelessApply([], [], [.. onTensors.Variables.Take(4).Select(v => v.ToNdArray())]));
    }

    public static TheoryData<string> AllVariants => [.. Registered.Variants];

    [Theory]
    [MemberData(nameof(AllVariants))]
    public void ACheckpointGoesFromOnePathToTheOtherAndBack(string variant)
    {
        using var inMemory = new Model(ScalarType.Float32, Make(), onTensors: false);
        using var onTensors = new Model(ScalarType.Float32, Make(), onTensors: true);
        string folder = System.IO.Directory.CreateTempSubdirectory().FullName;
        try
        {
            string there = System.IO.Path.Combine(folder, "there"), back = System.IO.Path.Combine(folder, "back");
            inMemory.Step(0);
            inMemory.Optimizer.Optimizer.Save(there);
            onTensors.Optimizer.Optimizer.Restore(there);
            Assert.All(inMemory.Variables.Zip(onTensors.Variables), pair =>
                Assert.Equal(pair.First.ToNdArray().Bytes, pair.Second.ToNdArray().Bytes));
            onTensors.Optimizer.Optimizer.Save(back);
            Assert.Equal(System.IO.File.ReadAllBytes(there), System.IO.File.ReadAllBytes(back));
        }
        finally
        {
            System.IO.Directory.Delete(folder, recursive: true);
        }

        RuleOptimizer Make()
        {
            JsonObject config = Registered.Config(variant);
            config["config"]!["use_ema"] = true;
            return (RuleOptimizer)Infinorm.Optimizer.FromConfig(config);
        }
    }

    [Fact]
    public void WhatIsForMemoryOnlyIsRefused()
    {
        using Parameter parameter = Parameter(1, 40);
        var adamax = new Adamax { UseStochasticRounding = true };
        Assert.Throws<NotSupportedException>(() => new TorchOptimizer(adamax, [new([("a", parameter)])], onTensors: true));
        Assert.False(adamax.IsBuilt);
    }

    [Fact]
    public void MasterWeightsFollowWhatIsAssignedAndTakeTheAverages()
    {
        using Tensor values = Random(1, 40).to(ScalarType.BFloat16), gradient = Random(2, 40).to(ScalarType.BFloat16);
        using Parameter a = new(values.clone()), b = new(values.clone());
        using TorchOptimizer inMemory = new(Make(), [new([("p", a)])]), onTensors = new(Make(), [new([("p", b)])], onTensors: true);
        for (int step = 0; step < 3; step++)
        {
            foreach ((Parameter parameter, TorchOptimizer optimizer) in ((Parameter, TorchOptimizer)[])[(a, inMemory), (b, onTensors)])
            {
                parameter.grad = gradient.clone();
                if (step == 1)
                    parameter.detach()[..5].fill_(0.5);
                optimizer.step();
                if (step == 2)
                    optimizer.FinalizeVariableValues();
            }

            Assert.Equal(Floats(a), Floats(b));
            AssertClose(Master(inMemory), Master(onTensors));
        }

        // The averages, not their roundings.
        Assert.NotEqual(Floats(b), Master(onTensors).AsSpan<float>().ToArray());

        static Adamax Make() => new(0.001) { UseMasterWeights = true, UseEma = true, EmaMomentum = 0.9 };

        static NdArray Master(TorchOptimizer optimizer) => optimizer.Optimizer.Variables.Single(v => v.Path.EndsWith("_master")).ToNdArray();
    }

    [Fact]
    public void GroupsAndAveragesWorkOnTensors()
    {
        using Parameter a = Parameter(1, 40), b = Parameter(2, 30), a2 = Parameter(1, 40), b2 = Parameter(2, 30);
        using TorchOptimizer inMemory = new(Make(), [new([("a", a)]) { LearningRate = 0.5 }, new([("b", b)]) { WeightDecay = 0 }]);
        using TorchOptimizer onTensors = new(
            Make(), [new([("a", a2)]) { LearningRate = 0.5 }, new([("b", b2)]) { WeightDecay = 0 }], onTensors: true);
        for (int i = 0; i < 3; i++)
        {
            inMemory.step();
            onTensors.step();
        }

        Check();
        float[] own = Floats(a2);
        using (inMemory.UseAverages())
        using (onTensors.UseAverages())
        {
            Check();
            Assert.NotEqual(own, Floats(a2));
        }

        Assert.Equal(own, Floats(a2));

        void Check()
        {
            Assert.InRange(UlpsApart(Floats(a), Floats(a2)), 0, 2);
            Assert.InRange(UlpsApart(Floats(b), Floats(b2)), 0, 2);
        }

        static Adamax Make() => new(0.1) { WeightDecay = 0.1, UseEma = true };
    }

    public static TheoryData<string> OrderedVariants => ["Adamax", .. Registered.Variants.Where(variant => Registered.Create(variant) is IBlockRule)];

    [Theory]
    [MemberData(nameof(OrderedVariants))]
    public void ParametersInOtherOrdersAndOfNoElementsAreStepped(string variant)
    {
        using Tensor values = Random(1, 300, 200), gradient = Random(2, 300, 200);
        using Parameter plain = new(values.clone()), strided = new(values.t().contiguous().t()), empty = new(zeros(0, 3));
        using Parameter scalar = Parameter(3), scalar2 = Parameter(3);
        plain.grad = gradient.clone();
        strided.grad = gradient.clone();
        empty.grad = zeros(0, 3);
        using TorchOptimizer inMemory = Registered.Create(variant).For([("p", plain), ("s", scalar)]);
        using TorchOptimizer onTensors = new(Registered.Create(variant), [new([("p", strided), ("e", empty), ("s", scalar2)])], onTensors: true);
        inMemory.step();
        onTensors.step();
        Assert.False(strided.is_contiguous());
        Assert.InRange(UlpsApart(Floats(plain), Floats(strided)), 0, 2);
        Assert.InRange(UlpsApart(Floats(scalar), Floats(scalar2)), 0, 2);
    }

    [Fact]
    public void ParametersOnAnotherDeviceAreSteppedThere()
    {
        // The only other device that every machine has: its tensors have shapes and no elements. Of Adamax it lacks abs.
        using var parameter = new Parameter(empty(10, 4, device: META));
        parameter.grad = empty(10, 4, device: META);
        using TorchOptimizer optimizer = new Adam(0.1) { UseEma = true, WeightDecay = 0.1 }.For([("p", parameter)]);
        optimizer.step();
        Assert.Equal(StepResult.Updated, optimizer.LastStep?.Result);
    }

    [Fact]
    public void AStepThatFailsInTheMiddleIsNotSilent()
    {
        using Parameter first = Parameter(1, 40), second = new(empty(10, 4, device: META));
        second.grad = empty(10, 4, device: META);
        float[] before = Floats(first);
        using TorchOptimizer optimizer = new Adamax(0.1).For([("a", first), ("b", second)]);
        var error = Assert.ThrowsAny<InvalidOperationException>(() => optimizer.step());
        Assert.Contains("the step failed in the middle", error.Message);
        Assert.NotNull(error.InnerException);
        Assert.NotEqual(before, Floats(first));
        Assert.Equal(0, optimizer.Optimizer.Iterations);
        Assert.Equal(error.Message, Assert.Throws<InvalidOperationException>(() => optimizer.step()).Message);
    }

    [Fact]
    public void APowerOfAHalfIsARootAsInTheLanesOfTheProcessor()
    {
        float[] values = [2, 3e-45f, 0.1f, -0f, 0, -1, float.NegativeInfinity, float.PositiveInfinity, float.NaN];
        using Tensor all = tensor(values);
        using Tensor roots = TensorLane<float>.Pow(new TensorLane<float>(all), 0.5).Tensor!;
        float[] expected = [.. values.Select(value => (float)Lane1<float>.Sum(Lane1<float>.Pow(Lane1<float>.Of(value), 0.5)))];
        Assert.Equal(Bits(expected), Bits(Floats(roots)));
        for (int i = 0; i < values.Length; i++)
        {
            using Tensor root = zeros(1);
            TensorLane<float>.Pow(TensorLane<float>.Of(values[i]), 0.5).StoreIn(root);
            Assert.Equal(Bits(expected[i..(i + 1)]), Bits(Floats(root)));
        }

        static int[] Bits(float[] numbers) => [.. numbers.Select(number => float.IsNaN(number) ? 0x7FC00000 : BitConverter.SingleToInt32Bits(number))];
    }

    static void AssertClose(NdArray expected, NdArray found)
    {
        Assert.Equal(expected.DType, found.DType);
        if (expected.DType == DType.Float64)
        {
            foreach ((double a, double b) in expected.AsSpan<double>().ToArray().Zip(found.AsSpan<double>().ToArray()))
                Assert.Equal(a, b, 1e-13 * Math.Max(1, Math.Abs(a)));
        }
        else if (expected.DType is DType.Float32)
        {
            Assert.InRange(UlpsApart(expected.AsSpan<float>().ToArray(), found.AsSpan<float>().ToArray()), 0, 2);
        }
        else if (expected.DType is DType.Float16 or DType.BFloat16)
        {
            // Two units of the float that was rounded seldom move the rounding, and then by one place.
            float ulp = expected.DType == DType.Float16 ? 1e-3f : 8e-3f;
            float[] a = expected.Cast(DType.Float32).AsSpan<float>().ToArray(), b = found.Cast(DType.Float32).AsSpan<float>().ToArray();
            Assert.All(a.Zip(b), pair => Assert.Equal(pair.First, pair.Second, ulp * Math.Max(1e-4f, Math.Abs(pair.First))));
            Assert.InRange(a.Zip(b).Count(pair => pair.First != pair.Second), 0, a.Length / 50);
        }
        else
        {
            Assert.Equal(expected.Bytes, found.Bytes);
        }
    }

    /// <summary>A large parameter, a small one, one that has a gradient every other time, and a table with sparse gradients.</summary>
    sealed class Model : IDisposable
    {
        readonly Parameter[] _parameters;
        readonly ScalarType _type;
        readonly bool _isScaled;

        public Model(ScalarType type, Infinorm.Optimizer optimizer, bool onTensors)
        {
            _type = type;
            _isScaled = optimizer is LossScaleOptimizer;
            _parameters = [.. new long[][] { [70, 300], [30], [5, 6], [40, 8] }.Select((shape, i) => new Parameter(Random(i, shape).to(type)))];
            Optimizer = new TorchOptimizer(
                optimizer.Name == "optimizer" ? optimizer : Named(optimizer), [new ParameterGroup(_parameters.Select((p, i) => ($"p{i}", p)))], onTensors);
        }

        public TorchOptimizer Optimizer { get; }

        public IReadOnlyList<Variable> Variables => [.. Optimizer.Optimizer.TrainableVariables, .. Optimizer.Optimizer.Variables];

        public StepInfo Step(int step)
        {
            float scale = _isScaled && _type != ScalarType.Float16 ? 32768 : 1;
            for (int i = 0; i < 3; i++)
                _parameters[i].grad = i == 2 && step % 2 == 0 ? null : (Random(100 + step + i * 7, _parameters[i].shape) * scale).to(_type);
            if (_isScaled && step == 2)
                _parameters[1].grad = full(_parameters[1].shape, float.PositiveInfinity).to(_type);
            using Tensor indices = tensor(new long[,] { { 3, 17, 3 } });
            _parameters[3].grad = sparse_coo_tensor(indices, Random(step, 3, 8).to(_type), [40, 8]);
            Optimizer.step();
            return Optimizer.LastStep!.Value;
        }

        public void Dispose()
        {
            Optimizer.Dispose();
            foreach (Parameter parameter in _parameters)
                parameter.Dispose();
        }

        static Infinorm.Optimizer Named(Infinorm.Optimizer optimizer) => Infinorm.Optimizer.FromConfig(Rename(optimizer.GetConfig()));

        static JsonObject Rename(JsonObject config)
        {
            var settings = config["config"]!.AsObject();
            settings["name"] = "optimizer";
            if (settings["inner_optimizer"] is { } inner)
                Rename(inner.AsObject());
            return config;
        }
    }
}
