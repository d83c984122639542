using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

/// <summary>Changes of size of images that have their channels first.</summary>
static class ImageSize
{
    /// <summary>Images of another size.</summary>
    /// <param name="x">(batch, channels, height, width).</param>
    /// <param name="height">The new height.</param>
    /// <param name="width">The new width.</param>
    /// <param name="interpolation">nearest, bilinear or bicubic.</param>
    public static Tensor Resize(Tensor x, long height, long width, string interpolation)
    {
        if (x.shape[2] == height && x.shape[3] == width)
            return x;
        if (interpolation == "nearest")
            return x.index_select(2, Nearest(x.shape[2], height)).index_select(3, Nearest(x.shape[3], width));
        Tensor values = x.is_floating_point() ? x : x.to(ScalarType.Float32);
        InterpolationMode mode = interpolation == "bilinear" ? InterpolationMode.Bilinear : InterpolationMode.Bicubic;
        Tensor resized = functional.interpolate(values, size: [height, width], mode: mode, align_corners: false);
        if (x.is_floating_point())
            return resized;
        Tensor whole = resized.round();
        return (x.dtype == ScalarType.Byte ? whole.clamp(Constant(0), Constant(255)) : whole).to(x.dtype);
    }

    /// <summary>The largest part in the middle that has the proportions of the new size.</summary>
    public static Tensor CropToAspect(Tensor x, long height, long width)
    {
        (long h, long w) = (x.shape[2], x.shape[3]);
        long cropHeight = Math.Max(Math.Min(h, w * height / width), 1), cropWidth = Math.Max(Math.Min(w, h * width / height), 1);
        return x.narrow(2, (h - cropHeight) / 2, cropHeight).narrow(3, (w - cropWidth) / 2, cropWidth);
    }

    /// <summary>The images in the middle of the smallest that has the proportions of the new size.</summary>
    public static Tensor PadToAspect(Tensor x, long height, long width, double value)
    {
        (long h, long w) = (x.shape[2], x.shape[3]);
        long padHeight = Math.Max(h, w * height / width), padWidth = Math.Max(w, h * width / height);
        long top = (padHeight - h) / 2, left = (padWidth - w) / 2;
        return functional.pad(x, [left, padWidth - w - left, top, padHeight - h - top], value: value);
    }

    // The middles of the new pixels lie in these old ones.
    static Tensor Nearest(long from, long to) =>
        tensor([.. Enumerable.Range(0, (int)to).Select(i => Math.Min(from - 1, (long)((i + 0.5) * from / to)))], dtype: ScalarType.Int64);
}

/// <summary>A layer that changes the size of images, of a batch or of one by itself.</summary>
abstract class ImageLayer : KerasLayer
{
    readonly bool _isChannelsFirst;

    protected ImageLayer(LayerConfig config)
        : base(config)
    {
        config.Ignore("bounding_box_format");
        (Height, Width) = (config.Integer("height"), config.Integer("width"));
        _isChannelsFirst = config.IsChannelsFirst();
    }

    protected int Height { get; }

    protected int Width { get; }

    protected internal sealed override object Call(LayerCall call)
    {
        Tensor x = call.Input;
        bool isOne = x.dim() == 3;
        if (isOne)
            x = x.unsqueeze(0);
        Tensor output = Transform(_isChannelsFirst ? x : Axes.ToChannelsFirst(x));
        output = _isChannelsFirst ? output : Axes.ToChannelsLast(output);
        return isOne ? output.squeeze(0) : output;
    }

    /// <summary>Transforms images that have their channels first.</summary>
    protected abstract Tensor Transform(Tensor x);
}

sealed class Resizing : ImageLayer
{
    readonly string _interpolation;
    readonly bool _crops, _pads;
    readonly double _fill;

    public Resizing(LayerConfig config)
        : base(config)
    {
        _interpolation = config.OneOf("interpolation", "bilinear", "nearest", "bilinear", "bicubic");
        (_crops, _pads) = (config.Boolean("crop_to_aspect_ratio", false), config.Boolean("pad_to_aspect_ratio", false));
        config.OneOf("fill_mode", "constant", "constant");
        config.Only("antialias", false);
        _fill = config.Number("fill_value", 0);
    }

    protected override Tensor Transform(Tensor x)
    {
        if (_crops)
            x = ImageSize.CropToAspect(x, Height, Width);
        else if (_pads)
            x = ImageSize.PadToAspect(x, Height, Width, _fill);
        return ImageSize.Resize(x, Height, Width, _interpolation);
    }
}

/// <summary>The middle of an image; a smaller image is made larger.</summary>
sealed class CenterCrop(LayerConfig config) : ImageLayer(config)
{
    protected override Tensor Transform(Tensor x)
    {
        long down = x.shape[2] - Height, right = x.shape[3] - Width;
        return down >= 0 && right >= 0
            ? x.narrow(2, down / 2, Height).narrow(3, right / 2, Width)
            : ImageSize.Resize(ImageSize.CropToAspect(x, Height, Width), Height, Width, "bilinear");
    }
}
