using System.Numerics;
using System.Runtime.InteropServices;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Execution.Memory;

/// <summary>
/// The rows of a sparse gradient in the order of the table, so that a block finds its own by binary search. Kept for each variable
/// from call to call, to allocate only when there are more rows than ever before.
/// </summary>
sealed unsafe class RowOrder
{
    // Row number in the upper half, position among the values in the lower: sorting keeps rows of one number in their order.
    long[] _order = [];
    int _count;
    TypedMemory _values;
    int _rowLength;

    /// <summary>Sorts the rows of this call's gradient, which fits <paramref name="variable"/>.</summary>
    public void Sort(RowGradient gradient, Variable variable)
    {
        var indices = gradient.Indices.Span;
        _count = indices.Length;
        _values = gradient.Values;
        _rowLength = variable.Shape[0] == 0 ? 0 : variable.Length / (int)variable.Shape[0];
        if (_order.Length < _count)
            _order = new long[BitOperations.RoundUpToPowerOf2((uint)_count)];
        for (int i = 0; i < _count; i++)
            _order[i] = ((long)indices[i] << 32) | (uint)i;
        Array.Sort(_order, 0, _count);
    }

    /// <summary>Throws where the gradient does not fit the variable.</summary>
    public static void Check(RowGradient gradient, Variable variable)
    {
        if (variable.Shape.IsEmpty)
            throw new ArgumentException($"{variable.Path}: a gradient of rows needs a variable with rows, this one is a scalar.");
        nint rows = variable.Shape[0];
        nint rowLength = rows == 0 ? 0 : variable.Length / rows;
        var indices = gradient.Indices.Span;
        if (indices.Length * rowLength != gradient.Values.Length)
        {
            throw new ArgumentException(
                $"{variable.Path}: {indices.Length} rows of {rowLength} are {indices.Length * rowLength} elements, "
                + $"the gradient has {gradient.Values.Length}.");
        }

        for (int i = 0; i < indices.Length; i++)
        {
            if ((uint)indices[i] >= (ulong)rows)
                throw new ArgumentException($"{variable.Path}: row index {indices[i]} at position {i}, the variable has {rows} rows.");
        }
    }

    /// <summary>Adds the rows' elements from <paramref name="start"/> on, as float or double, to a zeroed block.</summary>
    public void AddTo(byte* block, DType type, int start, int count)
    {
        int end = start + count;
        for (int i = FirstAt(start / Math.Max(_rowLength, 1)); i < _count; i++)
        {
            int rowStart = (int)(_order[i] >> 32) * _rowLength;
            if (rowStart >= end)
                break;
            int from = Math.Max(rowStart, start), to = Math.Min(rowStart + _rowLength, end);
            int position = ((int)_order[i] * _rowLength) + (from - rowStart);
            if (type == DType.Float64)
                Add(new Span<double>((double*)block + (from - start), to - from), position);
            else
                Add(new Span<float>((float*)block + (from - start), to - from), position);
        }
    }

    int FirstAt(int row)
    {
        int found = Array.BinarySearch(_order, 0, _count, (long)row << 32);
        return found < 0 ? ~found : found;
    }

    void Add<T>(Span<T> target, int position)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        ref byte values = ref _values.At(position);
        switch (_values.DType)
        {
            case DType.Float32:
                Add<T, float>(target, ref values);
                break;
            case DType.Float64:
                Add<T, double>(target, ref values);
                break;
            case DType.Float16:
                Add<T, Half>(target, ref values);
                break;
            default:
                var brain = MemoryMarshal.CreateSpan(ref System.Runtime.CompilerServices.Unsafe.As<byte, BFloat16>(ref values), target.Length);
                for (int i = 0; i < target.Length; i++)
                    target[i] += T.CreateTruncating((float)brain[i]);
                break;
        }
    }

    static void Add<T, TValue>(Span<T> target, ref byte values)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
        where TValue : unmanaged, IBinaryFloatingPointIeee754<TValue>
    {
        var row = MemoryMarshal.CreateSpan(ref System.Runtime.CompilerServices.Unsafe.As<byte, TValue>(ref values), target.Length);
        for (int i = 0; i < target.Length; i++)
            target[i] += T.CreateTruncating(row[i]);
    }
}
