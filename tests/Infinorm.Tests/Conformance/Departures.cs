using System.Text.Json;
using Infinorm.Variables;

namespace Infinorm.Tests.Conformance;

/// <summary>A call at which Infinorm departs from Keras on purpose.</summary>
/// <param name="Extent">Refused: it throws or does nothing. Different: it computes something else.</param>
/// <param name="Reason">What the data show.</param>
/// <param name="Exception">What a refusal throws; null when it silently does nothing.</param>
sealed record Departure(Extent Extent, string Reason, Type? Exception = null)
{
    public Outcome ToOutcome() => new(Extent, Reason);
}

/// <summary>
/// Where Infinorm departs from Keras: what Keras lets pass and no user can have meant. Every departure is a predicate on the data: the
/// operation, its arguments, the settings, and whether the optimizer is built.
/// </summary>
static class Departures
{
    public static Departure? Of(Step step, Session session) => step switch
    {
        UpdateStep update => OfUpdate(update, session),
        BuildStep build => OfBuild(build, session),
        ExcludeStep when session.Optimizer.IsBuilt => Refused<InvalidOperationException>("exclusions after Build"),
        FinalizeStep finalize => OfFinalize(finalize, session),
        SetWeightsStep weights => OfWeights([.. weights.Weights.Select(weight => weight.Shape)], session),
        LoadStep load => OfStore(load.Store, session),
        SetLearningRateStep { Value.ValueKind: JsonValueKind.String } => Refused<ArgumentException>("a learning rate that is not finite"),
        ReloadStep reload => SettingDepartures.Of(reload.Config),
        _ => null,
    } ?? OfRate(step);

    static Departure? OfUpdate(UpdateStep update, Session session)
    {
        Optimizer optimizer = session.Optimizer;
        if (update.Vars is null && !optimizer.IsBuilt)
            return Refused<InvalidOperationException>("Apply without variables before Build");
        Variable[] variables = update.Vars is null ? [.. optimizer.TrainableVariables] : session.Select(update.Vars);
        if (update.Grads.Length != variables.Length)
        {
            // Keras counts only where the call passes no variables, and takes an empty list for nothing to do.
            return update.Vars is null && update.Grads.Length > 0
                ? null
                : Refused<ArgumentException>("another number of gradients than of variables");
        }

        if (variables.Distinct().Count() < variables.Length)
            return Refused<ArgumentException>("a variable listed twice");
        if (update.Missing == update.Grads.Length)
            return optimizer.IsBuilt ? null : Refused<ArgumentException>("no gradient in the call that builds");

        if (optimizer is MultiOptimizer multi && update.Missing > 0 && multi.Optimizers.Any(inner => inner.IsBuilt && inner.TrainableVariables.All(
            variable => update.Grads[Array.IndexOf(variables, variable)] is null)))
        {
            return Refused<ArgumentException>("an optimizer in a MultiOptimizer without any gradient; in Keras those before it have stepped");
        }

        if (update.Error?.Type == "TypeError" && update.Grads.Any(gradient => gradient is GoldenGradient.Rows))
            return Different("a row gradient divided by LossScaleFactor, for which TensorFlow has no operator");

        foreach ((GoldenGradient? gradient, Variable variable) in update.Grads.Zip(variables))
        {
            if (gradient is null || Same(gradient.Shape, variable))
                continue;
            return gradient.Shape.Aggregate(1, (product, size) => product * size) != variable.Length
                ? Refused<ArgumentException>("a gradient of another shape than its variable")
                : Different("a gradient of another shape with as many elements: memory has no shape");
        }

        // Keras takes |g| of each row before rows of equal index are added up, and clips them one by one; accumulation alone adds first.
        bool addsFirst = optimizer is not LossScaleOptimizer && Array.TrueForAll(session.Steppers, arguments =>
            KerasConfig.Number(arguments, "gradient_accumulation_steps") > 1 && KerasConfig.Number(arguments, "loss_scale_factor") is null);
        return !addsFirst && update.Grads.Any(gradient => gradient is GoldenGradient.Rows { HasDuplicates: true })
            ? Different("rows of equal index are added up before anything else")
            : null;
    }

    static Departure? OfBuild(BuildStep build, Session session)
    {
        Variable[] variables = session.Select(build.Vars);
        if (variables.Distinct().Count() < variables.Length)
            return Refused<ArgumentException>("a variable listed twice");
        if (!session.Optimizer.IsBuilt)
            return null;
        if (!variables.SequenceEqual(session.Optimizer.TrainableVariables))
            return Refused<InvalidOperationException>("a second Build with other variables");
        return session.Optimizer is LossScaleOptimizer
            ? new Departure(Extent.Refused, "a second Build of a LossScaleOptimizer does nothing")
            : null;
    }

    static Departure? OfFinalize(FinalizeStep finalize, Session session)
    {
        bool isBuilt = session.Optimizer.IsBuilt;
        if (isBuilt && !session.Select(finalize.Vars).SequenceEqual(session.Optimizer.TrainableVariables))
            return Refused<ArgumentException>("finalising other variables than those built");
        return Array.Exists(session.Steppers, arguments => KerasConfig.IsOn(arguments["use_ema"])) && (!isBuilt || session.RawIterations == 0)
            ? Refused<InvalidOperationException>("finalising averages before any step")
            : null;
    }

    static Departure? OfWeights(int[][] shapes, Session session)
    {
        if (!session.Optimizer.IsBuilt)
            return Refused<InvalidOperationException>("SetWeights before Build");
        IReadOnlyList<Variable> variables = session.Optimizer.Variables;
        if (shapes.Length != variables.Count)
            return Refused<ArgumentException>("another number of weights than of optimizer variables");
        return shapes.Zip(variables).Any(pair => !Same(pair.First, pair.Second))
            ? Refused<ArgumentException>("a weight of another shape than its variable")
            : null;
    }

    static Departure? OfStore(Dictionary<string, GoldenArray> store, Session session)
    {
        int count = session.Optimizer.Variables.Count;
        if (store.Count != count)
            return Refused<ArgumentException>("a store with another number of values than of optimizer variables");
        return Enumerable.Range(0, count).Any(index => !store.ContainsKey($"{index}"))
            ? Refused<ArgumentException>("a store without one of the keys")
            : null;
    }

    static Departure? OfRate(Step step) => step.Expect is { } expect && !double.IsFinite(expect.LearningRate.Value)
        ? Different("a learning rate that is not finite")
        : null;

    static bool Same(int[] shape, Variable variable) =>
        shape.SequenceEqual(Array.ConvertAll(variable.Shape.ToArray(), size => (int)size));

    public static Departure Refused<TException>(string reason) where TException : Exception =>
        new(Extent.Refused, reason, typeof(TException));

    public static Departure Different(string reason) => new(Extent.Different, reason);
}
