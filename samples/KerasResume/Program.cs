using System.CommandLine;
using Infinorm.Keras.Torch;
using Infinorm.Samples;
using Infinorm.Samples.KerasResume;

// A recogniser of spoken digits that was trained on clean speech is opened, trained on under changing noise, and saved for Keras.
var file = new Argument<FileInfo>("FILE")
{
    Description = "Where to save the model: a .keras file.",
    DefaultValueFactory = _ => new FileInfo("resumed.keras"),
};
var epochs = new Option<int>("--epochs") { Description = "The number of epochs.", DefaultValueFactory = _ => 15 };
var seed = SpeechOptions.Seed();
var output = SpeechOptions.Picture("keras-resume.png");
var make = new Option<bool>("--make") { Description = "Instead, make the model that the sample begins with, from its config and random weights." };
var command = new RootCommand("Opens a Keras model that recognises spoken digits, trains it on under changing noise, and saves it for Keras.")
{
    file, epochs, seed, output, make,
};
return SampleCommand.Run(command, args, arguments =>
{
    string path = OutputPath.Of(arguments.GetRequiredValue(file), ".keras");
    int count = arguments.AtLeastOne(epochs);
    string picture = arguments.PicturePath(output);
    var corpus = new Corpus(SpeechOptions.Load(data: null), arguments.GetValue(seed));
    if (arguments.GetValue(make))
    {
        Training.MakeModel(corpus, count, path);
        return;
    }

    using var model = KerasModel.Open(Path.Combine(AppContext.BaseDirectory, "digits.keras"));
    Result result = new Training(model, corpus, Console.Out).Run(count, arguments.GetValue(seed));
    model.Save(path);
    Console.WriteLine($"saved  {path}");
    Curves.Draw(result, picture);
    Console.WriteLine($"drawn  {picture}");
});
