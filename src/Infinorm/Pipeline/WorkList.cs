namespace Infinorm.Pipeline;

/// <summary>The chunks of all variables that are computed in one type, in order, and how they are grouped into tasks.</summary>
sealed class WorkList
{
    /// <summary>How many elements make a task: small variables share one.</summary>
    const int TaskElements = 2 * (Chunk.MaxCount + ChunkCost);

    /// <summary>What turning to the next chunk costs, in elements.</summary>
    const int ChunkCost = 64;

    readonly Chunk[] _chunks;
    readonly int[] _taskStarts; // the first chunk of each task, and the end
    readonly List<Job> _jobs = [];

    WorkList(Chunk[] chunks, int[] taskStarts)
    {
        _chunks = chunks;
        _taskStarts = taskStarts;
        Sums = new double[chunks.Length];
        Finite = new bool[chunks.Length];
    }

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
    public int Returning(int task, int helpers)
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

    /// <summary>Cuts the variables that are computed in <paramref name="type"/>.</summary>
    public static WorkList Cut(Span<Target> targets, DType type)
    {
        var chunks = new List<Chunk>();
        var taskStarts = new List<int> { 0 };
        int inTask = 0;
        for (int t = 0; t < targets.Length; t++)
        {
            ref Target target = ref targets[t];
            if (target.ComputeType != type)
                continue;
            target.FirstChunk = chunks.Count;
            for (int start = 0; start < target.Spot.Length; start += Chunk.MaxCount)
            {
                var chunk = new Chunk(t, start, Math.Min(Chunk.MaxCount, target.Spot.Length - start));
                int cost = ChunkCost + chunk.Count;
                if (inTask > 0 && inTask + cost > TaskElements)
                {
                    taskStarts.Add(chunks.Count);
                    inTask = 0;
                }

                chunks.Add(chunk);
                inTask += cost;
            }

            target.ChunkCount = chunks.Count - target.FirstChunk;
        }

        if (chunks.Count > 0)
            taskStarts.Add(chunks.Count);
        return new WorkList([.. chunks], [.. taskStarts]);
    }
}
