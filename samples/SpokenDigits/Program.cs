using System.CommandLine;
using Infinorm.Execution;
using Infinorm.Mpi;
using Infinorm.Samples;
using Infinorm.Samples.SpokenDigits;

var data = SpeechOptions.Data();
var split = SpeechOptions.Split();
var epochs = new Option<int>("--epochs") { Description = "The number of epochs.", DefaultValueFactory = _ => 40 };
var seed = SpeechOptions.Seed();
var output = SpeechOptions.Picture("spoken-digits.png");
var run = new Option<FileInfo>("--run") { Description = "Save the run to this file after each epoch, and resume it from there if the file exists." };
var share = new Option<int?>("--share")
{
    Description = "Make each update of this many batches, and share them among the processes that mpirun has started, on one thread each.",
};
var compare = new Option<bool>("--compare") { Description = "Train with torch.optim.Adamax too." };
var command = new RootCommand("Trains a convolutional network to recognise spoken digits while the noise around them changes.")
{
    data, split, epochs, seed, output, run, share, compare,
};
return SampleCommand.Run(command, args, arguments =>
{
    int count = arguments.AtLeastOne(epochs);
    string picture = arguments.PicturePath(output);

    var corpus = new Corpus(
        SpeechOptions.Load(arguments.GetValue(data)), arguments.GetValue(split), arguments.GetValue(seed));
    var experiment = new Experiment(corpus, count, arguments.GetValue(seed));
    using World? world = arguments.GetValue(share) is null ? null : MpiWorld.Start(new MpiOptions { ThreadsPerRank = 1 });
    var report = new Report(world is null or { IsFirst: true } ? Console.Out : TextWriter.Null);
    report.Start(corpus);
    Result ours = experiment.TrainWithInfinorm(arguments.GetValue(run)?.FullName, world, arguments.GetValue(share));
    if (world is { IsFirst: false })
        return;
    report.Show(ours, corpus);
    Curves.Draw(ours, picture);
    Console.WriteLine($"drawn  {picture}");
    if (arguments.GetValue(compare))
        report.Compare(ours, experiment.TrainWithTorch(), corpus);
});
