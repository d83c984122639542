using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Infinorm.Types;

namespace Infinorm.Tests.Conformance;

/// <summary>
/// A line of Python, such as <c>o=Adamax(); o.build([w(2)]); o.apply([ones(3)])</c>, turned into the steps of a case: <c>w(shape)</c> is a
/// new variable, <c>w</c> the latest, <c>ones(shape)</c> a gradient. Only the last call may fail, and has to if Keras's does.
/// </summary>
sealed partial class KerasScript(string script, KerasError? error)
{
    static readonly (string Pattern, string Reason)[] WithoutCounterpart =
    [
        (@"^Optimizer\(", "Optimizer is abstract"),
        (@"lambda", "the compiler checks the type of a number"),
        (@"^Variable\(", "a variable is given its whole path"),
        (@"\.iterations\s*=", "Iterations has no setter"),
        (@"\.overwrite_with_gradient\s*=", "the compiler checks the type of OverwriteWithGradient"),
    ];

    readonly string[] _tokens = [.. Token().Matches(script).Select(match => match.Value).Where(token => token != "another")];
    readonly Dictionary<string, object?> _names = [];
    readonly List<VariableSpec> _variables = [];
    readonly List<Step> _steps = [];
    OptimizerSpec? _optimizer;
    int _position;

    public Outcome Run()
    {
        foreach ((string pattern, string reason) in WithoutCounterpart)
        {
            if (Regex.IsMatch(script, pattern))
                return new Outcome(Extent.NotApplicable, reason);
        }

        while (_position < _tokens.Length)
            Statement();
        _steps[^1] = _steps[^1] with { Error = error };
        _optimizer ??= new OptimizerSpec(null, [], null);
        return CaseRunner.Run(new OptimizerCase(script, _optimizer, [.. _variables], [.. _steps], DType.Float32));
    }

    [GeneratedRegex(@"\d+(\.\d+)?|\w+|'[^']*'|[\[\](),.=;]")]
    private static partial Regex Token();

    void Statement()
    {
        if (_tokens.ElementAtOrDefault(_position + 1) == "=")
        {
            string name = _tokens[_position];
            _position += 2;
            _names[name] = Expression();
        }
        else
        {
            object? target = Expression();
            Take(".");
            string member = _tokens[_position++];
            if (TryTake("="))
                _steps.Add(Assignment(member, Expression()));
            else
                _steps.Add(Call(target, member, Arguments().Positional));
        }

        TryTake(";");
    }

    static Step Assignment(string member, object? value) => member switch
    {
        "learning_rate" => new SetLearningRateStep { Value = JsonSerializer.SerializeToElement((JsonNode)value!), Expect = null },
        _ => throw new NotSupportedException($"A property {member}."),
    };

    static Step Call(object? target, string method, object?[] arguments) => (target, method) switch
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
        (int index, "assign") => new AssignVariableStep
        {
            Index = index,
            Value = ((GoldenGradient.Dense)arguments[0]!).Array,
            Expect = null,
        },
        _ => throw new NotSupportedException($"A call of {method}."),
    };

    object? Expression()
    {
        string token = _tokens[_position++];
        if (token == "[")
        {
            _position--;
            return Arguments().Positional;
        }

        if (_names.TryGetValue(token, out object? named))
            return named;
        if (double.TryParse(token, out double number))
            return JsonValue.Create(number);
        return token switch
        {
            "None" => null,
            "True" => JsonValue.Create(true),
            "False" => JsonValue.Create(false),
            "function" => new JsonObject { ["callable"] = 0.1 },
            "w" when _tokens.ElementAtOrDefault(_position) == "(" => NewVariable(Shape(Arguments().Positional)),
            "w" => _variables.Count > 0 ? _variables.Count - 1 : NewVariable([2]),
            "ones" => new GoldenGradient.Dense(Ones(Shape(Arguments().Positional))),
            "LossScaleOptimizer" => _optimizer = (OptimizerSpec)Arguments().Positional[0]! with { LossScaleKwargs = [] },
            "ExponentialDecay" => ExponentialDecay(Arguments().Positional),
            _ when Optimizer.Classes.Knows(token) => _optimizer = NewOptimizer(token, Arguments()),
            _ => throw new NotSupportedException($"A name {token}."),
        };
    }

    /// <summary>What stands in brackets, of whatever kind.</summary>
    (object?[] Positional, JsonObject Named) Arguments()
    {
        List<object?> positional = [];
        JsonObject named = [];
        _position++;
        while (_tokens[_position] is not (")" or "]"))
        {
            if (_tokens[_position + 1] == "=")
            {
                string name = _tokens[_position];
                _position += 2;
                named[name] = (JsonNode?)Expression();
            }
            else
            {
                positional.Add(Expression());
            }

            TryTake(",");
        }

        _position++;
        return ([.. positional], named);
    }

    static OptimizerSpec NewOptimizer(string className, (object?[] Positional, JsonObject Named) arguments)
    {
        if (arguments.Positional.Length > 0)
            arguments.Named["learning_rate"] = (JsonNode?)arguments.Positional[0];
        return new OptimizerSpec(null, arguments.Named, null, className);
    }

    static JsonObject ExponentialDecay(object?[] arguments) => KerasConfig.OfSchedule("ExponentialDecay", new JsonObject
    {
        ["initial_learning_rate"] = (JsonNode?)arguments[0],
        ["decay_steps"] = (JsonNode?)arguments[1],
        ["decay_rate"] = (JsonNode?)arguments[2],
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

    void Take(string token) => Assert.True(TryTake(token), $"\"{token}\" expected before \"{string.Join(' ', _tokens[_position..])}\".");

    bool TryTake(string token)
    {
        bool isThere = _tokens.ElementAtOrDefault(_position) == token;
        _position += isThere ? 1 : 0;
        return isThere;
    }
}
