using System.CommandLine;
using System.Diagnostics;
using Infinorm.Samples.NoisySpeech;
using Infinorm.Samples.Speech;

var data = new Option<DirectoryInfo>("--data") { Description = "Folder of recordings named {digit}_{speaker}_{take}.wav, mono PCM of 8 or 16 kHz. Default: the bundled ones." };
var split = new Option<SplitBy>("--split") { Description = "What training and test must not share.", DefaultValueFactory = _ => SplitBy.Speaker };
var steps = new Option<int>("--steps") { Description = "Training steps.", DefaultValueFactory = _ => 5000 };
var seed = new Option<int>("--seed") { Description = "The same seed gives the same numbers.", DefaultValueFactory = _ => 1 };
var optimizer = new Option<string>("--optimizer") { Description = "The optimizer.", DefaultValueFactory = _ => "adamax" };
optimizer.AcceptOnlyFromAmong("adamax", "sgd");
var output = new Option<FileInfo>("--out") { Description = "Where to draw loss and accuracy.", DefaultValueFactory = _ => new FileInfo("noisy-speech.png") };
var compare = new Option<bool>("--compare") { Description = "Train with SGD with momentum too, the best of a few rates." };
var command = new RootCommand("Trains a recogniser of spoken digits with Adamax while the noise around the speech keeps changing.")
{
    data, split, steps, seed, optimizer, output, compare,
};
command.SetAction(arguments =>
{
    try
    {
        if (arguments.GetValue(steps) < 1)
            throw new InvalidDataException("--steps must be at least 1");
        FileInfo picture = arguments.GetRequiredValue(output);
        if (picture.Directory is { Exists: false })
            throw new DirectoryNotFoundException($"{picture.DirectoryName}: no such folder for the picture");

        var recordings = SpeechSet.Load(arguments.GetValue(data)?.FullName ?? SpeechSet.BundledFolder);
        var experiment = new Experiment(recordings, arguments.GetValue(split), arguments.GetValue(seed));
        var report = new Report(Console.Out);
        report.Start(experiment);

        int count = arguments.GetValue(steps);
        var watch = Stopwatch.StartNew();
        Run run = arguments.GetValue(optimizer) == "sgd"
            ? BestSgd(experiment, count, report)
            : report.Watch(experiment, "Adamax", Optimizers.Adamax, count);
        report.Show(run, watch.Elapsed);
        Curves.Draw(run, picture.FullName);
        Console.WriteLine($"drawn  {picture.FullName}");
        if (arguments.GetValue(compare))
            report.Compare(run, arguments.GetValue(optimizer) == "sgd"
                ? report.Watch(experiment, "Adamax", Optimizers.Adamax, count)
                : BestSgd(experiment, count, report));
        return 0;
    }
    catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException)
    {
        Console.Error.WriteLine(e.Message);
        return 2;
    }
});
var parsed = command.Parse(args);
return parsed.Errors.Count > 0 ? Refuse(parsed) : parsed.Invoke();

static int Refuse(ParseResult parsed)
{
    Console.Error.WriteLine(parsed.Errors[0].Message.Split('\n')[0].Trim());
    return 2;
}

// Chosen by the test itself, which favours SGD.
static Run BestSgd(Experiment experiment, int steps, Report report) => Optimizers.SgdRates
    .Select(rate => report.Watch(experiment, $"SGD {rate}", count => Optimizers.Sgd(rate, count), steps))
    .MaxBy(run => run.NoisyAveraged)!;
