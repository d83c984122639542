using Infinorm.Types;

namespace Infinorm.Execution.Memory;

/// <summary>The chunks of a group's variables that are computed in one type, in order, and how they are put together into tasks.</summary>
sealed class WorkList
{
    /// <summary>How many elements make a task: small variables share one.</summary>
    public const int DefaultTaskElements = 2 * (Chunk.MaxCount + ChunkCost);

    /// <summary>What turning to the next chunk costs, in elements.</summary>
    const int ChunkCost = 64;

    readonly Chunk[] _chunks;
    readonly int[] _taskStarts; // the first chunk of each task, and the end
    readonly List<Job> _jobs = [];

    WorkList(int group, DType type, Chunk[] chunks, int[] taskStarts)
    {
        Group = group;
        Type = type;
        _chunks = chunks;
        _taskStarts = taskStarts;
        Sums = new double[chunks.Length];
        Finite = new bool[chunks.Length];
    }

    /// <summary>The group that the variables belong to.</summary>
    public int Group { get; }

    /// <summary>The type they are computed in.</summary>
    public DType Type { get; }

    /// <summary>The numbers of the variables.</summary>
    public int[] Variables => field ??= [.. _chunks.Select(chunk => chunk.Variable).Distinct()];

    public int TaskCount => _taskStarts.Length - 1;

    /// <summary>The sum of the squares of each chunk of the gradients, of the last reduction.</summary>
    public double[] Sums { get; }

    /// <summary>Whether each chunk of the gradients was finite, of the last reduction.</summary>
    public bool[] Finite { get; }

    /// <summary>The number of a task's first chunk.</summary>
    public int FirstChunk(int task) => _taskStarts[task];

    /// <summary>The chunks of a task.</summary>
    public ReadOnlySpan<Chunk> ChunksOf(int task) => _chunks.AsSpan(_taskStarts[task].._taskStarts[task + 1]);

    /// <summary>
    /// The order for a second round over the tasks: each thread returns over those it has just done, the last ones, which are still in
    /// the cache, first. Threads claim from both ends, so that they have met in the middle.
    /// </summary>
    public int ReversedHalf(int task, int helpers)
    {
        int middle = helpers == 0 ? TaskCount : TaskCount / 2;
        return task < middle ? middle - 1 - task : TaskCount - 1 - (task - middle);
    }

    /// <summary>The job of one kind that works on this list; made once.</summary>
    public TJob JobOf<TJob>()
        where TJob : Job, new()
    {
        foreach (Job job in _jobs)
        {
            if (job is TJob found)
                return found;
        }

        var made = new TJob();
        _jobs.Add(made);
        return made;
    }

    /// <summary>Cuts all variables: lists group by group, floats before doubles, none of them empty.</summary>
    /// <param name="states">The variables.</param>
    /// <param name="taskElements">How many elements make a task.</param>
    public static WorkList[] Cut(Span<VariableState> states, int taskElements)
    {
        var lists = new List<WorkList>();
        int groups = 0;
        foreach (ref readonly VariableState state in states)
            groups = Math.Max(groups, state.Group + 1);
        for (int group = 0; group < groups; group++)
        {
            foreach (DType type in (ReadOnlySpan<DType>)[DType.Float32, DType.Float64])
            {
                WorkList list = Cut(states, group, type, lists.Count, taskElements);
                if (list.TaskCount > 0)
                    lists.Add(list);
            }
        }

        return [.. lists];
    }

    static WorkList Cut(Span<VariableState> states, int group, DType type, int number, int taskElements)
    {
        var chunks = new List<Chunk>();
        var taskStarts = new List<int> { 0 };
        int inTask = 0;
        for (int i = 0; i < states.Length; i++)
        {
            ref VariableState state = ref states[i];
            if (state.Group != group || state.ComputeType != type)
                continue;
            state.WorkList = number;
            state.FirstChunk = chunks.Count;
            for (int start = 0; start < state.Elements.Length; start += Chunk.MaxCount)
            {
                var chunk = new Chunk(i, start, Math.Min(Chunk.MaxCount, state.Elements.Length - start));
                int cost = ChunkCost + chunk.Count;
                if (inTask > 0 && inTask + cost > taskElements)
                {
                    taskStarts.Add(chunks.Count);
                    inTask = 0;
                }

                chunks.Add(chunk);
                inTask += cost;
            }

            state.ChunkCount = chunks.Count - state.FirstChunk;
        }

        if (chunks.Count > 0)
            taskStarts.Add(chunks.Count);
        return new WorkList(group, type, [.. chunks], [.. taskStarts]);
    }
}
