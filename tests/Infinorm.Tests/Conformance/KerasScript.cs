using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Infinorm.Optimizers;
using Infinorm.Types;

namespace Infinorm.Tests.Conformance;

/// <summary>
/// A line of Python, such as <c>o=Adamax(); o.build([w(2)]); o.apply([ones(3)])</c>, turned into the steps of a case: <c>w(shape)</c> is a
/// new variable, <c>w</c> the latest, <c>ones(shape)</c> a gradient, <c>m</c> a map of optimizers. Only the last call may fail, and has to if
/// Keras's does.
/// </summary>
sealed partial class KerasScript(string script, KerasError? error = null)
{
    static readonly (string Pattern, string Reason)[] WithoutCounterpart =
    [
        (@"^Optimizer\(", "Optimizer is abstract"),
        (@"^Variable\(", "a variable is given its whole path"),
        (@"\.iterations\s*=", "Iterations has no setter"),
        (@"\.overwrite_with_gradient\s*=", "the compiler checks the type of OverwriteWithGradient"),
    ];

    readonly string[] _tokens = [.. Token().Matches(script).Select(match => match.Value).Where(token => token != "another")];
    readonly Dictionary<string, object?> _names = [];
    readonly List<VariableSpec> _variables = [];
    readonly List<Step> _steps = [];
    object? _value; // of the latest statement
    int _position;

    public Outcome Run()
    {
        foreach ((string pattern, string reason) in WithoutCounterpart)
        {
            if (Regex.IsMatch(script, pattern))
                return new Outcome(Extent.NotApplicable, reason);
        }

        OptimizerSpec optimizer;
        try
        {
            optimizer = Optimizer();
        }
        catch (NoCounterpartException e)
        {
            return new Outcome(Extent.NotApplicable, e.Message);
        }

        if (_steps.Count == 0)
            return Attempt.Run(() => optimizer.Create(DType.Float32), error, SettingDepartures.Of(optimizer.Config())) ?? Outcome.Compared;
        _steps[^1] = _steps[^1] with { Error = error };
        return CaseRunner.Run(new OptimizerCase(script, optimizer, [.. _variables], [.. _steps], DType.Float32));
    }

    /// <summary>Reads the script; gives the optimizer that it is about. One that is about none has steps of its variables alone.</summary>
    public OptimizerSpec Optimizer()
    {
        while (_position < _tokens.Length)
            Statement();
        return _value switch
        {
            OptimizerSpec optimizer => optimizer,
            OptimizerMap map => NewMultiOptimizer([map], []), // which is a part of it here
            _ => new OptimizerSpec(null, [], null),
        };
    }

    [GeneratedRegex(@"-?\d+(\.\d+)?([eE]-?\d+)?|\w+|'[^']*'|[\[\](),.=;:]")]
    private static partial Regex Token();

    void Statement()
    {
        if (Next(1) == "=")
        {
            string name = Take();
            Take("=");
            _value = _names[name] = Expression();
        }
        else
        {
            if (Next(0) == "m" && Next(1) == "[")
                _names.TryAdd("m", new OptimizerMap(new OptimizerSpec(null, [], null, nameof(Sgd).ToUpperInvariant())));
            object? target = Expression();
            _value = target is int ? _value : target;
            if (target is OptimizerMap map && TryTake("["))
            {
                object? key = Expression();
                Take("]");
                Take("=");
                map.Items.Add((key, Expression()));
            }
            else if (TryTake("."))
            {
                string member = Take();
                _steps.Add(TryTake("=") ? Assignment(member, Expression())
                    : Next(0) == "(" ? Call(target, member, Arguments())
                    : new ReadStep(member) { Expect = null });
            }
        }

        TryTake(";");
    }

    static Step Assignment(string member, object? value) => member switch
    {
        "learning_rate" => new SetLearningRateStep { Value = JsonSerializer.SerializeToElement((JsonNode)value!), Expect = null },
        _ => throw new NotSupportedException($"A property {member}."),
    };

    static Step Call(object? target, string method, (object?[] Positional, Dictionary<string, object?> Named) given)
    {
        object?[] arguments = given.Positional;
        if (given.Named.Count > 0)
            throw new NotSupportedException($"A call of {method} with the name of a parameter.");
        return (target, method) switch
        {
            (OptimizerSpec, "apply") => new ApplyStep
            {
                Grads = Gradients(arguments[0]),
                Vars = arguments.Length > 1 ? Indexes(arguments[1]) : null,
                Expect = null,
            },
            (OptimizerSpec, "apply_gradients") when arguments[0] is object?[] { Length: 0 } =>
                new ApplyGradientsStep { Grads = [], Vars = [], Expect = null },
            (OptimizerSpec, "build") => new BuildStep { Vars = Indexes(arguments[0]), Expect = null },
            (OptimizerSpec, "finalize_variable_values") => new FinalizeStep { Vars = Indexes(arguments[0]), Expect = null },
            (OptimizerSpec, "set_weights") => new SetWeightsStep
            {
                Weights = Array.ConvertAll(Gradients(arguments[0]), weight => ((GoldenGradient.Dense)weight!).Array),
                Expect = null,
            },
            (OptimizerSpec, "get_config") => new ReadStep(method) { Expect = null },
            (int index, "assign") => new AssignVariableStep
            {
                Index = index,
                Value = ((GoldenGradient.Dense)arguments[0]!).Array,
                Expect = null,
            },
            _ => throw new NotSupportedException($"A call of {method}."),
        };
    }

    object? Expression()
    {
        string token = Take();
        if (token == "[")
        {
            _position--;
            return Arguments().Positional;
        }

        if (_names.TryGetValue(token, out object? named))
            return named;
        if (char.IsAsciiDigit(token[^1]) && double.TryParse(token, CultureInfo.InvariantCulture, out _))
            return JsonNode.Parse(token);
        if (token[0] == '\'')
            return JsonValue.Create(token[1..^1]);
        return token switch
        {
            "None" => null,
            "True" => JsonValue.Create(true),
            "False" => JsonValue.Create(false),
            "function" => new Function(JsonValue.Create(0.1)),
            "lambda" => Lambda(),
            "w" when Next(0) == "(" => NewVariable(Shape(Arguments().Positional)),
            "w" => _variables.Count > 0 ? _variables.Count - 1 : NewVariable([2]),
            "ones" => new GoldenGradient.Dense(Ones(Shape(Arguments().Positional))),
            nameof(LossScaleOptimizer) => NewLossScaleOptimizer(Arguments()),
            nameof(OptimizerMap) => NewMap(Arguments().Positional),
            nameof(MultiOptimizer) => NewMultiOptimizer(Arguments()),
            "ExponentialDecay" => ExponentialDecay(Arguments().Positional),
            _ when Infinorm.Optimizer.Classes.Knows(token) => NewOptimizer(token, Arguments()),
            _ => throw new NotSupportedException($"A name {token}."),
        };
    }

    Function Lambda()
    {
        while (Take() != ":")
        {
        }

        return new Function(Expression());
    }

    /// <summary>What stands in brackets, of whatever kind.</summary>
    (object?[] Positional, Dictionary<string, object?> Named) Arguments()
    {
        List<object?> positional = [];
        Dictionary<string, object?> named = [];
        Take();
        while (Next(0) is not (")" or "]"))
        {
            if (Next(1) == "=")
            {
                string name = Take();
                Take("=");
                named[name] = Expression();
            }
            else
            {
                positional.Add(Expression());
            }

            TryTake(",");
        }

        Take();
        return ([.. positional], named);
    }

    static OptimizerSpec NewOptimizer(string className, (object?[] Positional, Dictionary<string, object?> Named) arguments)
    {
        if (arguments.Positional.Length > 1)
            throw new NotSupportedException($"{className} with {arguments.Positional.Length} arguments without names.");
        if (arguments.Positional is [var rate])
            arguments.Named["learning_rate"] = rate;
        return new OptimizerSpec(null, Json(arguments.Named), null, className);
    }

    static OptimizerSpec NewLossScaleOptimizer((object?[] Positional, Dictionary<string, object?> Named) arguments) =>
        (OptimizerSpec)arguments.Positional[0]! with { LossScaleKwargs = Json(arguments.Named) };

    static OptimizerMap NewMap(object?[] arguments) => new(arguments[0])
    {
        IsDictionary = arguments.Length == 1,
        Other = arguments.ElementAtOrDefault(1),
    };

    static OptimizerSpec NewMultiOptimizer((object?[] Positional, Dictionary<string, object?> Named) arguments) =>
        NewMultiOptimizer(arguments.Positional, arguments.Named);

    /// <summary>Through the constructor where it compiles; else from a config, which can say more.</summary>
    static OptimizerSpec NewMultiOptimizer(object?[] positional, Dictionary<string, object?> named)
    {
        const string className = nameof(MultiOptimizer);
        if (positional[0] is Function function)
        {
            return HasRule(function.Result) && named.Count == 0
                ? new OptimizerSpec(null, [], null, className) { Make = () => new MultiOptimizer(_ => (RuleOptimizer)Made(function.Result)) }
                : throw new NoCounterpartException("the compiler checks what a function gives");
        }

        var map = (OptimizerMap)positional[0]!;
        if (map.Items.Any(item => item.Key is not JsonValue key || key.GetValueKind() != JsonValueKind.String))
            throw new NoCounterpartException("the compiler checks the type of a key");
        var config = new JsonObject(map.Items.DistinctBy(item => $"{item.Key}").Select(item => KeyValuePair.Create($"{item.Key}", ToJson(item.Value))));
        JsonObject kwargs = Json(named);
        kwargs["optimizer_map"] = KerasConfig.Of(nameof(OptimizerMap), new JsonObject
        {
            ["default_optimizer"] = ToJson(map.Default),
            ["optimizer_map"] = map.IsDictionary ? config : ToJson(map.Other),
        });
        bool compiles = map.IsDictionary && HasRule(map.Default) && map.Items.TrueForAll(item => HasRule(item.Value)) && named.Count == 0;
        return new OptimizerSpec(null, kwargs, null, className)
        {
            Make = !compiles ? null : () => new MultiOptimizer(
                (RuleOptimizer)Made(map.Default), map.Items.Select(item => KeyValuePair.Create($"{item.Key}", (RuleOptimizer)Made(item.Value)))),
        };
    }

    static bool HasRule(object? value) => value is OptimizerSpec { LossScaleKwargs: null, ClassName: not nameof(MultiOptimizer) };

    static Optimizer Made(object? value) => ((OptimizerSpec)value!).Create(DType.Float32);

    static JsonObject Json(Dictionary<string, object?> named) =>
        new(named.Select(item => KeyValuePair.Create(item.Key, item.Value is Function && item.Key != "learning_rate"
            ? throw new NoCounterpartException("the compiler checks the type of a number")
            : ToJson(item.Value))));

    static JsonNode? ToJson(object? value) => value switch
    {
        JsonNode node => node.DeepClone(),
        OptimizerSpec optimizer => optimizer.Config(),
        Function function => new JsonObject { ["callable"] = ToJson(function.Result) },
        object?[] list => new JsonArray([.. list.Select(ToJson)]),
        null => null,
        _ => throw new NotSupportedException($"{value} in a config."),
    };

    /// <summary>A function that gives the same each time.</summary>
    sealed record Function(object? Result);

    /// <summary>Which optimizer is for which variables.</summary>
    sealed record OptimizerMap(object? Default)
    {
        public List<(object? Key, object? Value)> Items { get; } = [];

        /// <summary>Whether what the map was made from, beside the default, is a dictionary; none is an empty one.</summary>
        public bool IsDictionary { get; init; } = true;

        /// <summary>What it was made from, if that is something else.</summary>
        public object? Other { get; init; }
    }

    /// <summary>Reads a property or calls a method of the optimizer that changes nothing.</summary>
    sealed record ReadStep(string Member) : Step
    {
        public override void Run(Session session) => _ = (object)(Member switch
        {
            "learning_rate" => session.Optimizer.LearningRate,
            "iterations" => session.Optimizer.Iterations,
            "variables" => session.Optimizer.Variables,
            "get_config" => session.Optimizer.GetConfig(),
            _ => throw new NotSupportedException($"A property {Member}."),
        });
    }

    /// <summary>The script has no counterpart in .NET, for the reason that is the message.</summary>
    sealed class NoCounterpartException(string reason) : Exception(reason);

    static JsonObject ExponentialDecay(object?[] arguments) => KerasConfig.OfSchedule("ExponentialDecay", new JsonObject
    {
        ["initial_learning_rate"] = ToJson(arguments[0]),
        ["decay_steps"] = ToJson(arguments[1]),
        ["decay_rate"] = ToJson(arguments[2]),
    });

    int NewVariable(int[] shape)
    {
        string name = $"w{_variables.Count}";
        _variables.Add(new VariableSpec(name, name, DType.Float32, shape, Ones(shape).Bytes, null, OverwriteWithGradient: false));
        return _variables.Count - 1;
    }

    static GoldenArray Ones(int[] shape)
    {
        int length = shape.Aggregate(1, (product, size) => product * size);
        return new GoldenArray(DType.Float32, shape, [.. Enumerable.Repeat(BitConverter.GetBytes(1f), length).SelectMany(bytes => bytes)]);
    }

    static int[] Shape(object?[] sizes) => Array.ConvertAll(sizes, size => (int)(double)(JsonNode)size!);

    static GoldenGradient?[] Gradients(object? list) => Array.ConvertAll((object?[])list!, item => (GoldenGradient?)item);

    static int[] Indexes(object? list) => Array.ConvertAll((object?[])list!, item => (int)item!);

    string? Next(int distance) => _tokens.ElementAtOrDefault(_position + distance);

    string Take() => _tokens[_position++];

    void Take(string token) => Assert.True(TryTake(token), $"\"{token}\" expected before \"{string.Join(' ', _tokens[_position..])}\".");

    bool TryTake(string token)
    {
        bool isThere = Next(0) == token;
        _position += isThere ? 1 : 0;
        return isThere;
    }
}
