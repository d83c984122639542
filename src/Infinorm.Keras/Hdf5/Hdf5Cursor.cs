using System.Buffers.Binary;
using Infinorm.Checkpoints;

namespace Infinorm.Keras.Hdf5;

/// <summary>Takes little-endian numbers off the front of a piece of a file; what is missing there is an <see cref="InvalidFileException"/>.</summary>
/// <param name="bytes">The piece.</param>
/// <param name="file">The file's name, for messages.</param>
/// <param name="what">What the piece is, for messages: "superblock".</param>
ref struct Hdf5Cursor(ReadOnlySpan<byte> bytes, string file, string what)
{
    ReadOnlySpan<byte> _rest = bytes;

    public readonly int Remaining => _rest.Length;

    public ReadOnlySpan<byte> Take(int count)
    {
        if ((uint)count > (uint)_rest.Length)
            throw new InvalidFileException(file, $"HDF5: the {what} is cut off");
        ReadOnlySpan<byte> taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }

    public void Skip(int count) => Take(count);

    public byte Byte() => Take(1)[0];

    public ushort UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    /// <summary>An unsigned number of 1, 2, 4 or 8 bytes: two to the power of <paramref name="log2Size"/>, 0 to 3.</summary>
    public ulong UIntOf(int log2Size) => log2Size switch
    {
        0 => Byte(),
        1 => UInt16(),
        2 => UInt32(),
        _ => UInt64(),
    };

    /// <summary>Refuses the piece if it does not begin with this signature.</summary>
    public void Signature(ReadOnlySpan<byte> signature)
    {
        if (!Take(signature.Length).SequenceEqual(signature))
            throw new InvalidFileException(file, $"HDF5: the {what} does not begin with its signature");
    }

    /// <summary>Refuses the piece if its next byte is not this version.</summary>
    public void Version(byte expected)
    {
        byte found = Byte();
        if (found != expected)
            throw new InvalidFileException(file, $"HDF5: the {what} of version {found} is not supported, only {expected}");
    }
}
