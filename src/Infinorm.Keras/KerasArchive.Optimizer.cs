using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Keras.Json;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Keras;

public sealed partial class KerasArchive
{
    const string VarsGroup = $"{OptimizerGroup}/vars", InnerVarsGroup = $"{OptimizerGroup}/inner_optimizer/vars";
    const string UntrackedGroup = $"{OptimizerGroup}/untracked", InnerGroups = "optimizers"; // the first is ours; Keras reads over it
    const string CompileConfig = "compile_config", WrapperName = "loss_scale_optimizer";

    /// <summary>
    /// The optimizer's settings as Keras serialized them; null in a weights file, and of a model that was not compiled. Of a model that
    /// computes in <c>mixed_float16</c> they can be those of the optimizer inside a <see cref="LossScaleOptimizer"/>:
    /// <see cref="CreateOptimizer"/> wraps it again.
    /// </summary>
    public JsonObject? OptimizerConfig => OptimizerConfigOf(ModelConfig);

    /// <summary>The settings of the optimizer that a model was compiled with; null if there are none.</summary>
    internal static JsonObject? OptimizerConfigOf(JsonObject? model) => (model?[CompileConfig] as JsonObject)?["optimizer"] as JsonObject;

    /// <summary>Whether the file holds an optimizer's variables.</summary>
    public bool HasOptimizerState => _root.Find(VarsGroup)?.Datasets.Count > 0;

    /// <summary>How many variables of an optimizer the file holds; counter and rate alone where it made no step and would have slots.</summary>
    internal int OptimizerVariableCount => _root.Find(VarsGroup)?.Datasets.Count ?? 0;

    Optimizer? _loaded; // by LoadOptimizer, which was given the order where it was not known

    /// <summary>The group in which it is not known what comes first; null if the order of all variables is known.</summary>
    internal string? UnorderedGroup => _model.UnorderedGroup;

    /// <summary>
    /// The optimizer whose state and settings <see cref="Save(string, int)"/> writes: the one that <see cref="LoadOptimizer"/> loaded, or another that is
    /// built. It is null at first: what is stored then stays as it is.
    /// </summary>
    /// <exception cref="ArgumentException">It is not built, for the model's variables in another order, or has slots of one byte.</exception>
    /// <exception cref="InvalidOperationException">
    /// The archive does not tell the order of the model's variables: give it to <see cref="Open(string, JsonObject?, IEnumerable{string}?)"/>.
    /// </exception>
    public Optimizer? Optimizer
    {
        get;
        set
        {
            if (value is not null && value != field && value != _loaded)
            {
                if (!value.IsBuilt)
                    throw new ArgumentException($"{value.Name} is not built.", nameof(value));
                RequireFullSlots(value);
                RequireOrder(_model.Tied, "");
                RequireNames(value, value.TrainableVariables);
                RequireTrained();
                Dictionary<Variable, int> places = Weights.Select((weight, i) => (weight.Variable, i)).ToDictionary();
                int[] order = [.. value.TrainableVariables.Where(places.ContainsKey).Select(variable => places[variable])];
                if (!order.SequenceEqual(order.Order()))
                    throw new ArgumentException(
                        $"{value.Name} is built for the model's variables in another order than {nameof(TrainableVariables)} has.", nameof(value));
            }

            field = value;
        }
    }

    // Keras has no place for codes of one byte.
    static void RequireFullSlots(Optimizer optimizer)
    {
        if (optimizer.Variables.FirstOrDefault(variable => variable.DType == DType.UInt8) is { } codes)
        {
            throw new ArgumentException(
                $"{optimizer.Name} has slots of one byte an element ({codes.Path}), which Keras cannot load. Build another with full slots, let it "
                + $"{nameof(RuleOptimizer.TakeStateOf)} this one, and give that.", nameof(optimizer));
        }
    }

    // What is not known is refused, with what to give.
    void RequireOrder(string? tied, string orVariables)
    {
        string paths = $"Give {nameof(Open)} the paths that [v.path for v in model.trainable_variables] has in Python{orVariables}.";
        if (UnorderedGroup is { } group)
        {
            throw new InvalidOperationException($"{_file}: the order of the variables of {group} in the model is unknown. "
                + (ModelConfig is null ? $"Give {nameof(Open)} the model's config{orVariables}." : paths));
        }

        if (_model.Missing is { } missing)
            throw new InvalidOperationException($"{_file}: {missing}{(orVariables.Length > 0 ? $" to {nameof(LoadOptimizer)}" : "")}.");
        if (tied is not null)
            throw new InvalidOperationException($"{_file}: {tied}. {paths}");
    }

    // The weights of layers of one's own are taken for trained. A stored state tells whether they are: it has slots for each.
    void RequireTrained()
    {
        const string givePaths = $"Give {nameof(Open)} the paths that [v.path for v in model.trainable_variables] has in Python.";
        if (_model.AreTrainedGiven || (_model.Doubtful is null && !Weights.Any(weight => weight.IsTrainable && !weight.IsNamed)))
            return;
        if (BuiltAsStored() is not { } stored)
        {
            if (_model.Doubtful is { } doubt)
                throw new InvalidOperationException($"{_file}: {doubt}, nor which of its weights are trained. {givePaths}");
            return;
        }

        int count = PlacesOf(stored)[0].Variables.Length;
        if (count != _root.Find(VarsGroup)!.Datasets.Count)
        {
            throw new InvalidOperationException(
                $"{_file}: it is not known which variables of custom layers are trained: with all of them the stored optimizer had "
                + $"{count} variables, and it has {_root.Find(VarsGroup)!.Datasets.Count}. {givePaths}");
        }
    }

    // The optimizer whose state is stored, for what is taken for trained; null if there is none, or its slots are not known.
    Optimizer? BuiltAsStored()
    {
        if (!HasOptimizerState || OptimizerConfig is null)
            return null;
        try
        {
            Optimizer stored = CreateOptimizer();
            stored.Build(TrainableVariables);
            return stored;
        }
        catch (Exception e) when (e is InvalidFileException or ArgumentException)
        {
            return null;
        }
    }

    // A pattern must not miss a weight only because it has a number for its name.
    void RequireNames(Optimizer optimizer, IEnumerable<Variable> variables)
    {
        bool isDivided = optimizer is MultiOptimizer { Optimizers.Count: > 1 }
            or LossScaleOptimizer { InnerOptimizer: MultiOptimizer { Optimizers.Count: > 1 } };
        if (!optimizer.ExcludesByName && !isDivided)
            return;
        if (variables.FirstOrDefault(Weights.Where(w => !w.IsNameSure).Select(w => w.Variable).ToHashSet().Contains) is not { } unnamed)
            return;
        if (isDivided)
        {
            throw new InvalidOperationException(
                $"{_file}: {optimizer.Name} divides variables by their paths, and the name of {unnamed.Path} is not known. Give {nameof(Open)} the paths "
                + "that [v.path for v in model.trainable_variables] has in Python.");
        }

        if (optimizer.ExcludesByName)
        {
            throw new InvalidOperationException(
                $"{_file}: variables are excluded from weight decay by name, and the name of {unnamed.Path} is not known. Exclude variables, or give "
                + $"{nameof(Open)} the paths that [v.path for v in model.trainable_variables] has in Python.");
        }
    }

    /// <summary>
    /// An optimizer with the settings the archive holds, not yet built and without its state: to exclude variables from weight decay
    /// (Keras stores no exclusions) before it is given to <see cref="LoadOptimizer"/>.
    /// </summary>
    /// <exception cref="InvalidOperationException">The archive has no settings of an optimizer.</exception>
    /// <exception cref="InvalidFileException">They are of an optimizer or have a setting that is not known.</exception>
    public Optimizer CreateOptimizer()
    {
        JsonObject config = OptimizerConfig ?? throw new InvalidOperationException(
            $"{_file} has no settings of an optimizer. Make one with the settings that its state was saved with, and give it to {nameof(LoadOptimizer)}.");
        try
        {
            Optimizer optimizer = Infinorm.Optimizer.FromConfig(config, FloatX());
            return IsWrappedByKeras ? new LossScaleOptimizer(optimizer) { Name = WrapperName } : optimizer;
        }
        catch (FormatException e)
        {
            throw new InvalidFileException(_file, e.Message, e);
        }
    }

    /// <summary>Builds an optimizer and loads its state: ready to continue the training. It becomes <see cref="Optimizer"/>.</summary>
    /// <param name="optimizer">Null for one with the archive's settings: <see cref="CreateOptimizer"/>.</param>
    /// <param name="variables">
    /// The variables in the order of the model's <c>trainable_variables</c>, which is the order in which their state is stored; null for
    /// <see cref="TrainableVariables"/>.
    /// </param>
    /// <returns>The optimizer.</returns>
    /// <exception cref="InvalidOperationException">
    /// The archive has no state or no settings of an optimizer, the order of its variables is not known and must be given, or the
    /// optimizer is built for other variables.
    /// </exception>
    /// <exception cref="ArgumentException">
    /// The state stored is another optimizer's, or does not fit the optimizer or the variables given; nothing was changed.
    /// </exception>
    /// <exception cref="InvalidFileException">The archive's own settings, weights and state do not fit together.</exception>
    public Optimizer LoadOptimizer(Optimizer? optimizer = null, IEnumerable<Variable>? variables = null)
    {
        bool allFromFile = optimizer is null && variables is null;
        if (variables is null)
            RequireOrder(tied: null, $", or {nameof(LoadOptimizer)} the variables");
        Variable[] trained = [.. variables ?? TrainableVariables];
        optimizer ??= CreateOptimizer();
        RequireState();
        bool wasBuilt = optimizer.IsBuilt;
        try
        {
            optimizer.Build(trained);
            RefuseAnotherState(optimizer);
            RequireNames(optimizer, trained);
            RefuseOtherCount(optimizer, trained.Length);
            optimizer.LoadOwnVariables(StoredState(optimizer));
        }
        catch (Exception e)
        {
            if (!wasBuilt)
                optimizer.Unbuild();
            if (allFromFile && e is ArgumentException)
                throw new InvalidFileException(_file, e.Message, e);
            throw;
        }

        _loaded = optimizer;
        return Optimizer = optimizer;
    }

    /// <summary>
    /// Where the variables of an optimizer that was loaded are stored, with their names in a checkpoint. Variables of an inner optimizer are
    /// stored several times; the copy that Keras reads last comes last.
    /// </summary>
    internal IEnumerable<(string Location, StateTensor Tensor)> StateLocations(Optimizer optimizer)
    {
        StateTensor[] state = [.. optimizer.State(CheckpointFile.OptimizerRoot)];
        return PlacesOf(optimizer).Where(place => _root.Find(place.Group) is not null)
            .SelectMany(place => place.Variables.Select((variable, i) => ($"{place.Group}/{Key(i)}", state[variable])));
    }

    // compile() wraps the optimizer of a mixed_float16 model by itself, with the defaults, and serializes the one that it was given.
    internal bool IsWrappedByKeras =>
        OptimizerConfig is { } config && _root.Find(InnerVarsGroup) is not null
        && !nameof(LossScaleOptimizer).Equals(JsonText.Text(config["class_name"]), StringComparison.OrdinalIgnoreCase);

    // Double if Keras's floatx was: a rate that is a number is stored in it, second of the variables.
    DType FloatX()
    {
        bool isSchedule = (OptimizerConfig?["config"] as JsonObject)?["learning_rate"] is JsonObject && !IsWrappedByKeras;
        return !isSchedule && _root.Find(VarsGroup)?.Datasets.GetValueOrDefault("1") is { Shape: [], Type.DType: DType.Float64 }
            ? DType.Float64
            : DType.Float32;
    }
}
