using Infinorm.Checkpoints;
using Infinorm.Execution;
using Infinorm.Schedules;
using Infinorm.Variables;

namespace Infinorm;

public abstract partial class Optimizer
{
    /// <summary>
    /// Saves a checkpoint, one <c>.safetensors</c> file: all optimizer variables by name, the config and the exclusions from weight
    /// decay, and the trained variables if wanted. The file is written beside the target, flushed to the disk and renamed over it, so
    /// that a former one is whole until the new one is.
    /// </summary>
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="includeVariables">Whether the values of <see cref="TrainableVariables"/> are saved too.</param>
    /// <param name="keep">How many former files stay, as <c>path.1</c> (the youngest), <c>path.2</c> and so on; ≥ 0.</param>
    /// <exception cref="InvalidOperationException">
    /// The optimizer is not built or in use, two of its variables have the same path, its iteration or rate could not be loaded again, or its last step
    /// failed in the middle.
    /// </exception>
    /// <exception cref="ArgumentException">A variable's path is not Unicode, or there are too many variables for one file.</exception>
    /// <exception cref="IOException">
    /// The disk is full, the folder is missing, the path is a device or a named pipe, …; a former file is as it was.
    /// </exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written, or is a folder.</exception>
    public void Save(string path, bool includeVariables = true, int keep = 0)
    {
        RequireBuilt("to save");
        RequireWhole();
        using var _ = Enter();
        WriteFile(path, keep, stream => CheckpointFile.Write(this, stream, includeVariables));
    }

    /// <summary>As <see cref="Save(string, bool, int)"/>, into a stream.</summary>
    /// <param name="stream">What is written to; it stays open.</param>
    /// <param name="includeVariables">Whether the values of <see cref="TrainableVariables"/> are saved too.</param>
    /// <exception cref="InvalidOperationException">
    /// The optimizer is not built or in use, two of its variables have the same path, its iteration or rate could not be loaded again, or its last step
    /// failed in the middle.
    /// </exception>
    /// <exception cref="ArgumentException">A variable's path is not Unicode, or there are too many variables for one file.</exception>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public void Save(Stream stream, bool includeVariables = true)
    {
        ArgumentNullException.ThrowIfNull(stream);
        RequireBuilt("to save");
        RequireWhole();
        using var _ = Enter();
        WriteAll(write => write(stream), to => CheckpointFile.Write(this, to, includeVariables));
    }

    /// <summary>Writes a file that holds the state. Over ranks, all call it, and rank 0 writes.</summary>
    internal void WriteFile(string path, int keep, Action<Stream> write) =>
        WriteAll(World is { IsFirst: false } ? to => to(Stream.Null) : to => AtomicFile.Write(path, to, keep), write);

    // All ranks walk over all elements together: one whose disk fails keeps the others company before all fail.
    void WriteAll(Action<Action<Stream>> open, Action<Stream> write)
    {
        if (World is not { } world)
        {
            open(write);
            return;
        }

        if (PendingCalls > 0)
        {
            throw new InvalidOperationException(
                $"{Name} is in the middle of an update, after {PendingCalls} of {world.BatchesPerUpdate} batches; ranks save and load after an update.");
        }

        if (world.Size > 1)
            world.Meet(Purpose.Save);
        world.Together(() =>
        {
            bool isWritten = false;
            try
            {
                open(stream =>
                {
                    isWritten = true;
                    using var patient = new PatientStream(stream);
                    write(patient);
                    patient.ThrowIfFailed();
                });
            }
            finally
            {
                if (!isWritten)
                    write(Stream.Null);
            }
        });
    }

    /// <summary>
    /// Makes the optimizer that was saved: its settings are the file's, it is built for these variables, and its state and, if the file
    /// has them, the variables' values are loaded. Everything is checked before anything is changed, and if the disk fails while it
    /// reads, the variables are as they were. That takes memory for a copy of them while it loads.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="variables">
    /// As at <see cref="Build(ReadOnlySpan{Variable})"/>, in any order: values are found by path. Only a global norm depends on the
    /// order, which is that of its sum: in another one it may differ in the last bit.
    /// </param>
    /// <param name="options">What may differ; by default nothing.</param>
    /// <exception cref="InvalidFileException">
    /// It is not a checkpoint, or names a class or function that is not registered (<see cref="Register"/>,
    /// <see cref="LearningRate.RegisterFunction"/>).
    /// </exception>
    /// <exception cref="CheckpointMismatchException">It does not fit the variables; the message lists every difference.</exception>
    /// <exception cref="ArgumentException">The optimizer cannot be built for the variables.</exception>
    /// <exception cref="InvalidOperationException">Two variables have the same path.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Optimizer Load(string path, IEnumerable<Variable> variables, LoadOptions? options = null)
    {
        Variable[] list = Listed(variables);
        using SafetensorsFile file = SafetensorsFile.Open(path, (options ??= new()).MaxHeaderLength);
        return CheckpointFile.Load(file, list, options);
    }

    /// <summary>As <see cref="Load(string, IEnumerable{Variable}, LoadOptions?)"/>, from a stream.</summary>
    /// <param name="stream">What is read, from where it stands to its end; it stays open. One that cannot seek is read into memory.</param>
    /// <inheritdoc cref="Load(string, IEnumerable{Variable}, LoadOptions?)" path="/exception|/returns|/typeparam"/>
    /// <param name="variables">As there.</param>
    /// <param name="options">What may differ; by default nothing.</param>
    public static Optimizer Load(Stream stream, IEnumerable<Variable> variables, LoadOptions? options = null)
    {
        Variable[] list = Listed(variables);
        using SafetensorsFile file = SafetensorsFile.Open(stream, (options ??= new()).MaxHeaderLength);
        return CheckpointFile.Load(file, list, options);
    }

    static Variable[] Listed(IEnumerable<Variable> variables)
    {
        ArgumentNullException.ThrowIfNull(variables);
        Variable[] list = [.. variables];
        foreach (Variable variable in list)
            ArgumentNullException.ThrowIfNull(variable, nameof(variables));
        return list;
    }

    /// <summary>
    /// Loads the state from a checkpoint of an optimizer with the same settings, and the variables' values if the file has them. Names
    /// of optimizers may differ, and so may a learning rate that is a number, which is state. Everything is checked before anything is
    /// changed, and if the disk fails while it reads, all is as it was. That takes memory for a copy of the state while it loads.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="options">What may differ; by default nothing.</param>
    /// <exception cref="InvalidOperationException">
    /// The optimizer is not built or in use, or two of its variables have the same path.
    /// </exception>
    /// <exception cref="InvalidFileException">It is not a checkpoint.</exception>
    /// <exception cref="CheckpointMismatchException">It does not fit the optimizer; the message lists every difference.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public void Restore(string path, LoadOptions? options = null)
    {
        RequireBuilt("to load into");
        options ??= new();
        Restore(() => SafetensorsFile.Open(path, options.MaxHeaderLength), options);
    }

    /// <summary>As <see cref="Restore(string, LoadOptions?)"/>, from a stream.</summary>
    /// <param name="stream">What is read, from where it stands to its end; it stays open. One that cannot seek is read into memory.</param>
    /// <inheritdoc cref="Restore(string, LoadOptions?)" path="/exception|/returns|/typeparam"/>
    /// <param name="options">What may differ; by default nothing.</param>
    public void Restore(Stream stream, LoadOptions? options = null)
    {
        RequireBuilt("to load into");
        options ??= new();
        Restore(() => SafetensorsFile.Open(stream, options.MaxHeaderLength), options);
    }

    void Restore(Func<SafetensorsFile> open, LoadOptions options)
    {
        using var _ = Enter();
        if (World is { Size: > 1 } world)
        {
            world.Meet(Purpose.Restore);
            world.Together(Read);
        }
        else
        {
            Read();
        }

        MarkRestored();

        void Read()
        {
            using SafetensorsFile file = open();
            CheckpointFile.Restore(this, file, options);
        }
    }

    private protected void RequireBuilt(string purpose)
    {
        if (!IsBuilt)
            throw new InvalidOperationException($"{Name} is not built, so it has no slots {purpose}. Call Build with the variables first.");
    }
}
