using System.CommandLine;
using System.Diagnostics;
using Infinorm.Samples;
using Infinorm.Samples.NoisySpeech;

var data = SpeechOptions.Data();
var split = SpeechOptions.Split();
var steps = new Option<int>("--steps") { Description = "Training steps.", DefaultValueFactory = _ => 5000 };
var seed = SpeechOptions.Seed();
var optimizer = new Option<string>("--optimizer") { Description = "The optimizer.", DefaultValueFactory = _ => "adamax" };
optimizer.AcceptOnlyFromAmong("adamax", "sgd");
var output = SpeechOptions.Picture("noisy-speech.png");
var compare = new Option<bool>("--compare") { Description = "Train with SGD with momentum too, the best of a few rates." };
var command = new RootCommand("Trains a recogniser of spoken digits with Adamax while the noise around the speech keeps changing.")
{
    data, split, steps, seed, optimizer, output, compare,
};
return SampleCommand.Run(command, args, arguments =>
{
    int count = arguments.AtLeastOne(steps);
    string picture = arguments.PicturePath(output);

    var recordings = SpeechOptions.Load(arguments.GetValue(data));
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
