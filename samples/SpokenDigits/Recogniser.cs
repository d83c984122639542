using Infinorm.Samples.Speech;
using static TorchSharp.torch;

namespace Infinorm.Samples.SpokenDigits;

/// <summary>The network: three convolutions over time and frequency, each halving both, then one layer for the ten digits.</summary>
static class Recogniser
{
    const int Digits = 10;

    public static nn.Module<Tensor, Tensor> Create()
    {
        const int channels = 24;
        int left = LogMel.Frames / 8 * (LogMel.Bands / 8);
        return nn.Sequential(
            ("conv1", Convolution(1, channels)),
            ("conv2", Convolution(channels, 2 * channels)),
            ("conv3", Convolution(2 * channels, 3 * channels)),
            ("flatten", nn.Flatten()),
            ("dropout", nn.Dropout(0.3)),
            ("digits", nn.Linear(3 * channels * left, Digits)));
    }

    static nn.Module<Tensor, Tensor> Convolution(int inputs, int outputs) => nn.Sequential(
        ("conv", nn.Conv2d(inputs, outputs, kernel_size: 3, padding: 1, bias: false)),
        ("norm", nn.BatchNorm2d(outputs)),
        ("relu", nn.ReLU()),
        ("pool", nn.MaxPool2d(2)));
}
