using Infinorm.Rules;
using Infinorm.Variables;

namespace Infinorm.Execution;

/// <summary>What an executor may keep for a variable.</summary>
enum StateKind
{
    /// <summary>The moving average.</summary>
    Average,

    /// <summary>The gradient accumulator.</summary>
    Accumulator,

    /// <summary>A slot of the rule; its codes, if it has one byte per element.</summary>
    Slot,

    /// <summary>The scales that the codes of a slot are multiplied by, one for each block; none if it has no codes.</summary>
    SlotScales,

    /// <summary>The float copy of a 16-bit variable, which is stepped.</summary>
    MasterWeights,
}

/// <summary>What an executor is built for.</summary>
sealed record BuildRequest
{
    /// <summary>The variables. The executor checks only what it alone can know.</summary>
    public required Variable[] Variables { get; init; }

    /// <summary>The variable that each variable is a part of, and its first element there; null if all are whole.</summary>
    public (Variable Whole, int Start)[]? PartOf { get; init; }

    /// <summary>These variables and those that others step in the same calls. Their memory must not overlap, nor contain gradients.</summary>
    public required Variable[] Together { get; init; }

    /// <summary>Whether weight decay applies to each variable, if there is any.</summary>
    public required bool[] Decays { get; init; }

    /// <summary>The decay of each variable that does not follow the plan's; null for those that do.</summary>
    public required OwnDecay?[] OwnDecays { get; init; }

    /// <summary>The number of the group of each variable.</summary>
    public required int[] GroupOf { get; init; }

    /// <summary>The rule's slots.</summary>
    public required Slots Slots { get; init; }

    /// <summary>Whether the rule steps whole variables only, so that none may be cut. Asked where several executors share the variables.</summary>
    public required bool NeedsWholeVariables { get; init; }

    /// <summary>Whether moving averages are kept.</summary>
    public required bool HasAverages { get; init; }

    /// <summary>Whether gradients are accumulated.</summary>
    public required bool HasAccumulators { get; init; }

    /// <summary>Whether 16-bit variables have a float copy, which is stepped.</summary>
    public required bool HasMasterWeights { get; init; }

    /// <summary>Whether 16-bit variables are rounded at random.</summary>
    public required bool RoundsAtRandom { get; init; }

    /// <summary>The number of elements from which the slots of a variable have one byte per element; null if none has.</summary>
    public required int? ByteStorageMinimum { get; init; }
}

/// <summary>A step that failed in the middle: some variables are stepped, others are not.</summary>
sealed class HalfMadeStepException(string optimizer, Exception inner) : InvalidOperationException(
    $"{optimizer}: the step failed in the middle, so that some variables are stepped and others are not ({inner.Message}). Load a "
    + "checkpoint into the optimizer, or set its weights, before the next step.", inner);

/// <summary>
/// Carries plans out: over plain memory (<see cref="Memory.MemoryExecutor"/>), over tensors of a device. It owns the state of each variable,
/// knows which gradients it can take, and knows no optimizer's name.
/// </summary>
interface IExecutor
{
    /// <summary>Makes the state: slots at their first values, averages and accumulators zero, master weights equal to their variables.</summary>
    /// <exception cref="ArgumentException">The variables overlap, or the executor cannot step one of them.</exception>
    void Build(BuildRequest request);

    /// <summary>A view of the state that is kept for a variable; null if there is none.</summary>
    /// <param name="variable">The number of the variable.</param>
    /// <param name="kind">What to view.</param>
    /// <param name="slot">The number of the slot, if it is one.</param>
    /// <param name="path">The path of the view.</param>
    Variable? View(int variable, StateKind kind, int slot, string path);

    /// <summary>Takes the gradients of a call, one for each variable, and checks them. Nothing is changed.</summary>
    /// <returns>The number of missing gradients.</returns>
    /// <exception cref="ArgumentException">A gradient does not fit.</exception>
    int Accept(ReadOnlySpan<Gradient> gradients);

    /// <summary>Asks for the rules of the plans. Nothing is changed.</summary>
    /// <param name="source">The optimizer, which has the rules.</param>
    /// <param name="plans">One for each group of variables, with its rate and decay. They stay as they are until the step is made.</param>
    void Prepare(IRuleSource source, StepPlan[] plans);

    /// <summary>Computes from all accepted gradients what must be known before the prepared plans are carried out.</summary>
    /// <param name="norm">The norm of all gradients, if they are clipped by it.</param>
    /// <param name="missing">The number of missing gradients; changed if it depends on other calls than this one.</param>
    /// <exception cref="HalfMadeStepException">Something threw in the middle.</exception>
    /// <returns>False if the plans require finite gradients and they are not: then nothing has changed.</returns>
    bool Reduce(out GradientNorm norm, ref int missing);

    /// <summary>Carries the prepared plans out over the accepted gradients.</summary>
    /// <exception cref="HalfMadeStepException">Code of a user, such as a rule or a constraint, threw in the middle.</exception>
    void Run();

    /// <summary>An executor of the same kind, not built, for copies of the variables.</summary>
    /// <exception cref="NotSupportedException">The variables cannot be copied.</exception>
    IExecutor ForCopies();
}
