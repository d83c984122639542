using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Infinorm.Types;

namespace Infinorm.Rules;

/// <summary>
/// The formula of an optimizer as a loop over spans: the slower door, for trying things out. It runs on the elements of one block of a
/// variable at a time, at most 512, or on a whole variable if it asks for that.
/// </summary>
/// <remarks>It is called for several blocks at the same time by several threads, so it must not change fields of its own.</remarks>
public interface IBlockRule
{
    /// <summary>
    /// Whether a block is always a whole variable, for rules that need sums or products over one. It and <see cref="ScratchLength"/> are
    /// asked when the rule is first given. The default is <see langword="false"/>.
    /// </summary>
    bool NeedsWholeVariables => false;

    /// <summary>
    /// How much memory the rule needs beside for a variable of a shape, in numbers of the size of double, if it needs whole variables:
    /// <see cref="Block{T}.Scratch"/>. The default is none.
    /// </summary>
    /// <param name="shape">The shape of the variable.</param>
    int ScratchLength(ReadOnlySpan<nint> shape) => 0;

    /// <summary>Updates a block of a variable and of its slots.</summary>
    /// <typeparam name="T">float, also for 16-bit variables, or double.</typeparam>
    /// <param name="block">The block.</param>
    void Step<T>(Block<T> block)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>;
}

/// <summary>A slot of one variable, stored separately because it need not have the variable's shape.</summary>
/// <param name="Address">Its first element; 0 where the variable has none.</param>
/// <param name="Length">How many elements it has.</param>
/// <param name="Shape">Its shape.</param>
readonly record struct OwnSlot(nint Address, int Length, nint[] Shape);

/// <summary>Elements of a variable, their gradient and their slots, as an <see cref="IBlockRule"/> sees them.</summary>
/// <typeparam name="T">float or double.</typeparam>
public readonly unsafe ref struct Block<T>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    readonly RuleTarget _target;
    readonly byte* _first;
    readonly nint _stride;
    readonly ReadOnlySpan<OwnSlot> _own;

    internal Block(
        RuleTarget target, string path, ReadOnlySpan<nint> shape, byte* weights, byte* gradient, byte* first, nint stride, int count,
        ReadOnlySpan<OwnSlot> own, ReadOnlySpan<double> wideGradient, Span<double> scratch)
    {
        WideGradient = wideGradient;
        WideScratch = scratch;
        _own = own;
        _target = target;
        _first = first;
        _stride = stride;
        Path = path;
        Shape = shape;
        Weights = new Span<T>(weights, count);
        Gradient = new ReadOnlySpan<T>(gradient, count);
    }

    /// <summary>The path of the variable.</summary>
    public string Path { get; }

    /// <summary>The shape of the whole variable.</summary>
    public ReadOnlySpan<nint> Shape { get; }

    /// <summary>The block's elements of the variable, decayed if there is weight decay.</summary>
    public Span<T> Weights { get; }

    /// <summary>Their gradient, unscaled, averaged over the accumulation and clipped.</summary>
    public ReadOnlySpan<T> Gradient { get; }

    /// <summary>
    /// The gradient before it is rounded to float, where a float variable's is double and the block is a whole variable; else empty.
    /// </summary>
    internal ReadOnlySpan<double> WideGradient { get; }

    /// <summary>The rate of this update, rounded to the element type.</summary>
    public T LearningRate => T.CreateTruncating(_target.LearningRate);

    /// <summary>The rate of this update before it is rounded to the element type.</summary>
    public double UnroundedLearningRate => _target.LearningRate;

    /// <summary>Completed updates before this one, from 0.</summary>
    public long Iterations => _target.Iterations;

    /// <summary>The memory that <see cref="IBlockRule.ScratchLength"/> asked for. Anything may stand in it.</summary>
    public Span<T> Scratch => MemoryMarshal.Cast<double, T>(WideScratch);

    /// <summary>The same memory.</summary>
    internal Span<double> WideScratch { get; }

    /// <summary>Whether the variable has a slot that gives forms.</summary>
    internal bool Has(Slot slot) => _own[_target.Slots.NumberOf(slot)].Address != 0;

    /// <summary>
    /// Runs a rule in lanes over two slots and, in place of the weights, a target. All of them, and the scratch, are padded to whole lanes.
    /// </summary>
    [MethodImpl(Hot.Loop)]
    internal void Run<L, TRule>(in TRule formula, Span<T> target, Slot first, Slot second)
        where L : struct, ILane<L>
        where TRule : struct, IRule2<L>
    {
        TRule rule = formula;
        fixed (T* weights = target, gradient = Gradient, a = this[first], b = this[second])
        {
            for (nint i = 0; i < (nint)Weights.Length * sizeof(T); i += Unsafe.SizeOf<L>())
            {
                L weight = Unsafe.ReadUnaligned<L>((byte*)weights + i);
                L one = Unsafe.ReadUnaligned<L>((byte*)a + i), two = Unsafe.ReadUnaligned<L>((byte*)b + i);
                rule.Step(ref weight, Unsafe.ReadUnaligned<L>((byte*)gradient + i), ref one, ref two);
                Unsafe.WriteUnaligned((byte*)weights + i, weight);
                Unsafe.WriteUnaligned((byte*)a + i, one);
                Unsafe.WriteUnaligned((byte*)b + i, two);
            }
        }
    }

    /// <summary>Their elements of a slot; all elements of one that gives forms.</summary>
    /// <exception cref="InvalidOperationException">The slot is absent, or not this optimizer's.</exception>
    public Span<T> this[Slot slot]
    {
        get
        {
            int number = _target.Slots.NumberOf(slot);
            int place = number < 0 ? -1 : _target.Slots.Declared[number].Place;
            if (place >= 0)
                return new Span<T>(_first + (place * _stride), Weights.Length);
            return number >= 0 && number < _own.Length && _own[number].Address != 0
                ? new Span<T>((byte*)_own[number].Address, _own[number].Length)
                : throw new InvalidOperationException($"{_target.Slots.Optimizer}: the slot is absent.");
        }
    }
}
