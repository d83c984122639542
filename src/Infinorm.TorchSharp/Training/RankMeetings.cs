using Infinorm.Execution;

namespace Infinorm.Torch.Training;

/// <summary>
/// Where the ranks that train together meet. Whatever happens on one rank, the next thing that all ranks do is to meet, so all of them
/// learn of a failure, a stop, a cancellation or a file to be saved.
/// </summary>
sealed class RankMeetings(World world, TrainingRun run)
{
    const char Separator = '\0', Weights = 'w', Run = 'r';

    readonly List<(int Taken, int Owner, double[]? Values)> _waiting = [];

    /// <summary>Batches that were trained with, here or elsewhere, and are not told of yet.</summary>
    public int Waiting => _waiting.Count;

    /// <summary>How many batches of the present update were trained with.</summary>
    public int Position { get; private set; }

    /// <summary>Whether the next batch is this rank's.</summary>
    public bool IsOwn => Owner == world.Rank;

    /// <summary>Whether the next batch is this rank's last one of the update.</summary>
    public bool IsLastOwn => IsOwn && (Position + 1) % (world.BatchesPerUpdate / world.Size) == 0;

    int Owner => Position * world.Size / world.BatchesPerUpdate;

    /// <summary>Notes a batch: the loss and the sums where it is this rank's.</summary>
    public void Add(int taken, double[]? values)
    {
        _waiting.Add((taken, Owner, values));
        Position = (Position + 1) % world.BatchesPerUpdate;
    }

    /// <summary>Whether the next of many batches that need no order, such as those to validate with, is this rank's.</summary>
    public bool IsOwnOfMany => Waiting % world.Size == world.Rank;

    /// <summary>Notes one of many batches: the sums where it is this rank's.</summary>
    public void AddOfMany(double[]? sums) => _waiting.Add((0, Waiting % world.Size, sums));

    /// <summary>Waits for all ranks. All fail where one has, or where they are not at the same place.</summary>
    /// <param name="place">Where this rank is.</param>
    /// <param name="failure">What happened since they met; null for nothing.</param>
    /// <exception cref="WorldException">A rank failed, or is elsewhere.</exception>
    public void Meet(string place, Exception? failure = null) => Gather(place, [], failure);

    /// <summary>The batches that wait, in order, each with the position in the pass and the values that its owner noted.</summary>
    public IReadOnlyList<(int Taken, double[] Values)> Take()
    {
        int length = _waiting.Select(batch => batch.Values?.Length ?? 0).DefaultIfEmpty().Max();
        double[][] all = world.Gather([.. _waiting.SelectMany(batch => batch.Values ?? [])]);
        int size = length > 0 ? length : all.Sum(part => part.Length) / Math.Max(Waiting, 1);
        var next = new int[world.Size];
        (int, double[])[] taken =
        [
            .. _waiting.Select(batch => (batch.Taken, all[batch.Owner].AsSpan(next[batch.Owner]++ * size, size).ToArray())),
        ];
        _waiting.Clear();
        return taken;
    }

    /// <summary>
    /// Agrees on what the ranks have decided since they last met: all take the first reason to stop, and all save the same files.
    /// </summary>
    /// <param name="place">Where this rank is.</param>
    /// <param name="failure">What happened on this rank; null for nothing.</param>
    /// <param name="isCancelled">Whether this rank was told to end.</param>
    /// <exception cref="WorldException">A rank failed.</exception>
    /// <exception cref="OperationCanceledException">A rank was told to end, and no update is under way.</exception>
    public void Agree(string place, Exception? failure, bool isCancelled)
    {
        string[][] texts = Gather(
            $"the callbacks after {place}", [isCancelled ? "cancelled" : "", run.History.StopReason ?? "", .. run.RequestedFiles.Select(TextOf)], failure);
        run.History.StopReason = texts.Select(text => text[1]).FirstOrDefault(reason => reason.Length > 0);
        foreach (string file in texts.SelectMany(text => text[2..]).Except(run.RequestedFiles.Select(TextOf)).ToArray())
            run.RequestedFiles.Add(new(file[1..], file[0] == Weights, () => { }));
        run.RequestedFiles.Sort((one, other) => string.CompareOrdinal(TextOf(one), TextOf(other)));
        int cancelled = Array.FindIndex(texts, text => text[0].Length > 0);
        if (cancelled >= 0 && Position == 0)
            throw new OperationCanceledException($"Rank {cancelled} of {world.Size} was told to end the training.");
    }

    static string TextOf(TrainingRun.RequestedFile file) => (file.WeightsOnly ? Weights : Run) + file.Path;

    // What all ranks say, if all are at the same place.
    string[][] Gather(string place, string[] says, Exception? failure)
    {
        string[] texts = world.GatherTexts(string.Join(Separator, [place, .. says]), failure);
        string[][] parts = Array.ConvertAll(texts, text => text.Split(Separator));
        int other = Array.FindIndex(parts, part => part[0] != place);
        return other < 0
            ? Array.ConvertAll(parts, part => part[1..])
            : throw new WorldException(
                $"The ranks are not at the same place: rank {world.Rank} is at {place}, rank {other} at {parts[other][0]}. All must be given the same data.");
    }
}
