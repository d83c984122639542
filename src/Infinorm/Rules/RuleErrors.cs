namespace Infinorm.Rules;

/// <summary>What an optimizer can do wrong when it is asked for its rule.</summary>
static class RuleErrors
{
    public static InvalidOperationException None(Slots slots) =>
        new($"{slots.Optimizer}: its UpdateStep gave no rule; each call must call one of the context's Run methods.");

    public static InvalidOperationException Second(Slots slots) =>
        new($"{slots.Optimizer}: its UpdateStep gave a second rule; each call must call one of the context's Run methods once.");
}
