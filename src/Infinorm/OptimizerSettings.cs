using System.Text.Json.Nodes;

namespace Infinorm;

/// <summary>
/// The settings that all optimizers share, each checked when it is set, and their place in the config. What they mean stands at the
/// properties of <see cref="Optimizer"/>.
/// </summary>
/// <param name="unsupportedBy">The class of an optimizer that leaves them to the one it wraps; null for all others.</param>
sealed class OptimizerSettings(string? unsupportedBy = null)
{
    const double DefaultEmaMomentum = 0.99;

    public double? WeightDecay
    {
        get;
        set => field = value is { } decay ? Check.Finite(decay, Supported(nameof(WeightDecay))) : null;
    }

    public double? ClipNorm
    {
        get;
        set => field = Clip(value, nameof(ClipNorm), ClipValue ?? GlobalClipNorm);
    }

    public double? ClipValue
    {
        get;
        set => field = Clip(value, nameof(ClipValue), ClipNorm ?? GlobalClipNorm);
    }

    public double? GlobalClipNorm
    {
        get;
        set => field = Clip(value, nameof(GlobalClipNorm), ClipNorm ?? ClipValue);
    }

    public bool UseEma
    {
        get;
        set => field = value && Supported(nameof(UseEma)) is not null;
    }

    public double EmaMomentum
    {
        get;
        set => field = value == DefaultEmaMomentum ? value : Check.InUnitInterval(value, Supported(nameof(EmaMomentum)));
    } = DefaultEmaMomentum;

    public int? EmaOverwriteFrequency
    {
        get;
        set => field = value is { } frequency ? Check.AtLeast(1, frequency, Supported(nameof(EmaOverwriteFrequency))) : null;
    }

    public double? LossScaleFactor
    {
        get;
        set => field = value is { } scale ? Check.NotZero(scale, Supported(nameof(LossScaleFactor))) : null;
    }

    public int? GradientAccumulationSteps
    {
        get;
        set => field = value is { } steps ? Check.AtLeast(2, steps, Supported(nameof(GradientAccumulationSteps))) : null;
    }

    public bool UseMasterWeights
    {
        get;
        set => field = value && Supported(nameof(UseMasterWeights)) is not null;
    }

    public bool UseStochasticRounding
    {
        get;
        set => field = value && Supported(nameof(UseStochasticRounding)) is not null;
    }

    public int RoundingSeed
    {
        get;
        set => field = value != 0 && Supported(nameof(RoundingSeed)) is not null ? value : 0;
    }

    // Not in the config: it is about the machine, not the training.
    public int MaxDegreeOfParallelism
    {
        get;
        set => field = Check.AtLeast(1, value, Supported(nameof(MaxDegreeOfParallelism)));
    } = Environment.ProcessorCount;

    public void Write(JsonObject config)
    {
        config["weight_decay"] = WeightDecay;
        config["clipnorm"] = ClipNorm;
        config["global_clipnorm"] = GlobalClipNorm;
        config["clipvalue"] = ClipValue;
        config["use_ema"] = UseEma;
        config["ema_momentum"] = EmaMomentum;
        config["ema_overwrite_frequency"] = EmaOverwriteFrequency;
        config["loss_scale_factor"] = LossScaleFactor;
        config["gradient_accumulation_steps"] = GradientAccumulationSteps;

        // Not Keras's, whose text must stay as it is, so only where they are used.
        if (UseMasterWeights)
            config["use_master_weights"] = true;
        if (!UseStochasticRounding)
            return;
        config["use_stochastic_rounding"] = true;
        config["rounding_seed"] = RoundingSeed;
    }

    /// <summary>Sets what a config holds; there a zero means that a clip, an interval or accumulation is off.</summary>
    public void Read(ConfigReader config)
    {
        WeightDecay = config.OptionalNumber("weight_decay");
        double? clipNorm = config.OptionalNumber("clipnorm");
        double? globalClipNorm = config.OptionalNumber("global_clipnorm");
        double? clipValue = config.OptionalNumber("clipvalue");
        if ((clipNorm is null ? 0 : 1) + (globalClipNorm is null ? 0 : 1) + (clipValue is null ? 0 : 1) > 1)
            throw new ArgumentException("Only one of clipnorm, global_clipnorm and clipvalue can be set.");
        ClipNorm = OffIfZero(clipNorm);
        GlobalClipNorm = OffIfZero(globalClipNorm);
        ClipValue = OffIfZero(clipValue);
        UseEma = config.Boolean("use_ema", false);
        EmaMomentum = config.Number("ema_momentum", DefaultEmaMomentum);
        EmaOverwriteFrequency = OffIfZero(config.OptionalInteger("ema_overwrite_frequency"));
        LossScaleFactor = config.OptionalNumber("loss_scale_factor");
        GradientAccumulationSteps = OffIfZero(config.OptionalInteger("gradient_accumulation_steps"));
        UseMasterWeights = config.Boolean("use_master_weights", false);
        UseStochasticRounding = config.Boolean("use_stochastic_rounding", false);
        if (UseMasterWeights && UseStochasticRounding)
            throw new ArgumentException("Only one of use_master_weights and use_stochastic_rounding can be set.");
        RoundingSeed = config.OptionalInteger("rounding_seed") ?? 0;
        config.MustBeNull("decay");
    }

    // Who does not support a setting refuses its zero like any other value, as Keras does.
    double? OffIfZero(double? value) => value == 0 && unsupportedBy is null ? null : value;

    int? OffIfZero(int? value) => value == 0 && unsupportedBy is null ? null : value;

    double? Clip(double? value, string setting, double? other)
    {
        if (value is not { } limit)
            return null;
        if (other is not null)
            throw new ArgumentException($"Only one of ClipNorm, ClipValue and GlobalClipNorm can be set: {setting} is the second.", setting);
        return Check.Positive(limit, Supported(setting));
    }

    // The name of a setting that is being set, once it is known that it may be.
    string Supported(string setting) => unsupportedBy is null
        ? setting
        : throw new ArgumentException($"{unsupportedBy} does not support {setting}; set it on the inner optimizer.", setting);
}
