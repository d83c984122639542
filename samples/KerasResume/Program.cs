using System.CommandLine;
using System.Globalization;
using Infinorm;
using Infinorm.Keras;
using Infinorm.Samples;
using Infinorm.Samples.KerasResume;
using Infinorm.Variables;
using Spectre.Console;

// A model that Keras trained for four steps is trained further here, and saved for Keras again.
const int Steps = 50, Rows = 32;
var file = new Argument<FileInfo>("FILE")
{
    Description = "Where to save the archive: a .keras file.",
    DefaultValueFactory = _ => new FileInfo("resumed.keras"),
};
var command = new RootCommand("Resumes the training of a model that Keras saved, and saves it for Keras.") { file };
return SampleCommand.Run(command, args, arguments => Resume(OutputPath.Of(arguments.GetRequiredValue(file), ".keras")));

static void Resume(string output)
{
    var archive = KerasArchive.Open(Path.Combine(AppContext.BaseDirectory, "mlp.keras"));
    Optimizer optimizer = archive.LoadOptimizer();
    NdArray[] before = [.. archive.TrainableVariables.Select(variable => variable.ToNdArray())];
    AnsiConsole.WriteLine($"Keras trained {archive.GroupNames["vars"]} for {optimizer.Iterations} steps with {optimizer.Name} at a rate of "
        + $"{Text(optimizer.CurrentLearningRate)}.");

    Variable<float> Weight(string name) => (Variable<float>)archive[name];
    var model = new Mlp(Weight("hidden/kernel"), Weight("hidden/bias"), Weight("out/kernel"), Weight("out/bias"));

    var random = new Random(1);
    float[][] inputs = [.. Enumerable.Range(0, Rows).Select(_ => Enumerable.Range(0, model.Inputs).Select(_ => random.NextSingle()).ToArray())];
    float[][] targets = [.. inputs.Select(x => new[] { x[0] - x[1], x[1] * x[2] })];

    double first = model.Backward(inputs, targets);
    for (int step = 0; step < Steps; step++)
    {
        model.Backward(inputs, targets);
        optimizer.Apply([.. model.Gradients]);
    }

    double last = model.Backward(inputs, targets);
    if (last >= first)
        throw new InvalidDataException($"the loss did not fall: {Text(first)} → {Text(last)}; nothing was saved");
    archive.Save(output);

    var table = new Table().AddColumns("variable", "shape", "norm before", "norm after", "largest change");
    foreach (var (variable, old) in archive.TrainableVariables.Zip(before))
    {
        float[] now = [.. ((Variable<float>)variable).Span], then = [.. old.AsSpan<float>()];
        float change = now.Zip(then, (a, b) => Math.Abs(a - b)).Max();
        table.AddRow(variable.Path, string.Join(" × ", variable.Shape.ToArray()), Text(Norm(then)), Text(Norm(now)), Text(change));
    }

    AnsiConsole.Write(table);
    AnsiConsole.WriteLine($"{Steps} steps more: loss {Text(first)} → {Text(last)}, the counter is {optimizer.Iterations}. Saved as {output}.");
}

static double Norm(float[] values) => Math.Sqrt(values.Sum(value => (double)value * value));

static string Text(double number) => number.ToString("0.0000", CultureInfo.InvariantCulture);
