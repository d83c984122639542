using System.CommandLine;
using Infinorm.Samples;
using Infinorm.Samples.Speech;
using Infinorm.Samples.SpokenDigits;

var data = new Option<DirectoryInfo>("--data") { Description = "Folder of recordings named {digit}_{speaker}_{take}.wav, mono PCM of 8 or 16 kHz. Default: the bundled ones." };
var split = new Option<SplitBy>("--split") { Description = "What training and test must not share.", DefaultValueFactory = _ => SplitBy.Speaker };
var epochs = new Option<int>("--epochs") { Description = "How many times to go through the training part.", DefaultValueFactory = _ => 40 };
var seed = new Option<int>("--seed") { Description = "The same seed gives the same numbers.", DefaultValueFactory = _ => 1 };
var output = new Option<FileInfo>("--out") { Description = "Where to draw loss and accuracy.", DefaultValueFactory = _ => new FileInfo("spoken-digits.png") };
var run = new Option<FileInfo>("--run") { Description = "A file to save the run to after each epoch, and to go on from if it is there." };
var compare = new Option<bool>("--compare") { Description = "Train with torch.optim.Adamax too." };
var command = new RootCommand("Trains a convolutional network to recognise spoken digits while the noise around them changes.")
{
    data, split, epochs, seed, output, run, compare,
};
return SampleCommand.Run(command, args, arguments =>
{
    int count = arguments.GetValue(epochs);
    if (count < 1)
        throw new InvalidDataException("--epochs must be at least 1");
    string picture = SampleCommand.PicturePath(arguments.GetRequiredValue(output));

    var corpus = new Corpus(
        SpeechSet.Load(arguments.GetValue(data)?.FullName ?? SpeechSet.BundledFolder), arguments.GetValue(split), arguments.GetValue(seed));
    var experiment = new Experiment(corpus, count, arguments.GetValue(seed));
    var report = new Report(Console.Out);
    report.Start(corpus);
    Result ours = experiment.TrainWithInfinorm(arguments.GetValue(run)?.FullName);
    report.Show(ours, corpus);
    Curves.Draw(ours, picture);
    Console.WriteLine($"drawn  {picture}");
    if (arguments.GetValue(compare))
        report.Compare(ours, experiment.TrainWithTorch(), corpus);
});
