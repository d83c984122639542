using System.CommandLine;
using System.Diagnostics;
using Infinorm.Samples;
using Infinorm.Samples.NoisySpeech;

var data = SpeechOptions.Data();
var split = SpeechOptions.Split();
var steps = new Option<int>("--steps") { Description = "Training steps.", DefaultValueFactory = _ => 5000 };
var seed = SpeechOptions.Seed();
var optimizer = new Option<string>("--optimizer")
{
    Description = "Any registered optimizer, such as Adamax, Adam, SGD (with a momentum of 0.9), Lion, Muon.",
    HelpName = "NAME",
    DefaultValueFactory = _ => Choice.Compared[0].Name,
};
var rate = new Option<float?>("--learning-rate")
{
    Description = "The highest rate of the schedule. Default: the rate of --compare, or the default of another optimizer.",
    HelpName = "RATE",
};
var output = SpeechOptions.Picture("noisy-speech.png");
var compare = new Option<bool>("--compare")
{
    Description = $"Also train with {string.Join(", ", Choice.Compared)}, and show all results.",
};
var command = new RootCommand("Trains a recogniser of spoken digits while the noise around the speech keeps changing.")
{
    data, split, steps, seed, optimizer, rate, output, compare,
};
return SampleCommand.Run(command, args, arguments =>
{
    int count = arguments.AtLeastOne(steps);
    string picture = arguments.PicturePath(output);
    Choice choice = Choice.Of(arguments.GetRequiredValue(optimizer), arguments.GetValue(rate));

    var recordings = SpeechOptions.Load(arguments.GetValue(data));
    var experiment = new Experiment(recordings, arguments.GetValue(split), arguments.GetValue(seed));
    var report = new Report(Console.Out);
    report.Start(experiment);

    var watch = Stopwatch.StartNew();
    Run run = report.Watch(experiment, choice, count);
    report.Show(run, watch.Elapsed);
    Curves.Draw(run, picture);
    Console.WriteLine($"drawn  {picture}");
    if (arguments.GetValue(compare))
        report.Compare([run, .. Choice.Compared.Where(other => other != choice).Select(other => report.Watch(experiment, other, count))]);
});
