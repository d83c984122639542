using System.Numerics;

namespace Infinorm.Rules;

/// <summary>
/// The formula of an optimizer as a loop over spans: the slower door, for trying things out. It runs on the elements of one block of a
/// variable at a time, at most 512, or on a whole variable if it asks for that.
/// </summary>
/// <remarks>It is called for several blocks at the same time by several threads, so it must not change fields of its own.</remarks>
public interface IBlockRule
{
    /// <summary>
    /// Whether a block is always a whole variable, for rules that need sums or products over one. The default is
    /// <see langword="false"/>.
    /// </summary>
    bool NeedsWholeVariables => false;

    /// <summary>Updates a block of a variable and of its slots.</summary>
    /// <typeparam name="T">float, also for 16-bit variables, or double.</typeparam>
    /// <param name="block">The block.</param>
    void Step<T>(Block<T> block)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>;
}

/// <summary>A slot of one variable that lies by itself, as it need not have the variable's shape.</summary>
/// <param name="Address">Its first element; 0 where the variable has none.</param>
/// <param name="Length">How many elements it has.</param>
/// <param name="Shape">Its shape.</param>
readonly record struct OwnSlot(nint Address, int Length, nint[] Shape);

/// <summary>Elements of a variable, their gradient and their slots, as an <see cref="IBlockRule"/> sees them.</summary>
/// <typeparam name="T">float or double.</typeparam>
public readonly unsafe ref struct Block<T>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    readonly Slots _slots;
    readonly byte* _first;
    readonly nint _stride;
    readonly ReadOnlySpan<OwnSlot> _own;

    internal Block(
        Slots slots, string path, ReadOnlySpan<nint> shape, byte* weights, byte* gradient, byte* first, nint stride, int count,
        ReadOnlySpan<OwnSlot> own, ReadOnlySpan<double> wideGradient)
    {
        WideGradient = wideGradient;
        _own = own;
        _slots = slots;
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

    /// <summary>Their elements of a slot; all elements of one that gives forms.</summary>
    /// <exception cref="InvalidOperationException">The slot is absent, or not this optimizer's.</exception>
    public Span<T> this[Slot slot]
    {
        get
        {
            int number = _slots.NumberOf(slot);
            int place = number < 0 ? -1 : _slots.Declared[number].Place;
            if (place >= 0)
                return new Span<T>(_first + (place * _stride), Weights.Length);
            return number >= 0 && number < _own.Length && _own[number].Address != 0
                ? new Span<T>((byte*)_own[number].Address, _own[number].Length)
                : throw new InvalidOperationException($"{_slots.Optimizer}: the slot is absent.");
        }
    }
}
