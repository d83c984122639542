using System.CommandLine;
using System.Diagnostics;
using Infinorm.Samples;
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
return SampleCommand.Run(command, args, arguments =>
{
    int count = arguments.GetValue(steps);
    if (count < 1)
        throw new InvalidDataException("--steps must be at least 1");
    string picture = SampleCommand.PicturePath(arguments.GetRequiredValue(output));

    var recordings = SpeechSet.Load(arguments.GetValue(data)?.FullName ?? SpeechSet.BundledFolder);
    var experiment = new Experiment(recordings, arguments.GetValue(split), arguments.GetValue(seed));
    var report = new Report(Console.Out);
    report.Start(experiment);

    var watch = Stopwatch.StartNew();
    Run run = arguments.GetValue(optimizer) == "sgd"
        ? BestSgd(experiment, count, report)
        : report.Watch(experiment, "Adamax", Optimizers.Adamax, count);
    report.Show(run, watch.Elapsed);
    Curves.Draw(run, picture);
    Console.WriteLine($"drawn  {picture}");
    if (arguments.GetValue(compare))
        report.Compare(run, arguments.GetValue(optimizer) == "sgd"
            ? report.Watch(experiment, "Adamax", Optimizers.Adamax, count)
            : BestSgd(experiment, count, report));
});

// Chosen by the test itself, which favours SGD.
static Run BestSgd(Experiment experiment, int steps, Report report) => Optimizers.SgdRates
    .Select(rate => report.Watch(experiment, $"SGD {rate}", count => Optimizers.Sgd(rate, count), steps))
    .MaxBy(run => run.NoisyAveraged)!;
