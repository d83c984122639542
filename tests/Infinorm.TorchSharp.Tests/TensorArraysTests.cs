using System.Runtime.InteropServices;
using Infinorm.Checkpoints;
using Infinorm.Variables;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests;

/// <summary>Tensors go to files and back in pieces, for they may have more bytes than a span.</summary>
public class TensorArraysTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Variable.PieceLength)]
    [InlineData((2 * Variable.PieceLength) + 3)]
    public void EveryPieceIsMoved(int length)
    {
        float[] values = [.. Enumerable.Range(0, length).Select(i => i * 0.37f)];
        using Tensor tensor = NdArray.Create(values).ToTensor();
        Assert.Equal(values, tensor.data<float>().ToArray());
        using var stream = new MemoryStream();
        SafetensorsTensor toWrite = TensorArrays.ToWrite("x", tensor);
        toWrite.WriteTo(stream);
        Assert.Equal(values, MemoryMarshal.Cast<byte, float>(stream.ToArray()));
    }

    [Fact]
    public void ASingleNumberIsMoved()
    {
        using Tensor tensor = NdArray.Create([7L], Array.Empty<int>()).ToTensor();
        Assert.Equal(7, tensor.item<long>());
    }
}
