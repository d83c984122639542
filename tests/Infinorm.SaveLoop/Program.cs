using Infinorm;

// Saves over and over until it is killed: Infinorm.SaveLoop FILE. State number n has n in every element; the first continues the file.
string path = args[0];
var weights = new Variable<float>("weights", new float[20_000]);
var bias = new Variable<double>("bias", new double[100]);
var optimizer = new Adamax();
optimizer.Build(weights, bias);
if (File.Exists(path))
    optimizer.Restore(path);

for (long number = optimizer.Iterations + 1; ; number++)
{
    foreach (Variable variable in optimizer.Variables.Concat(optimizer.TrainableVariables))
        variable.Assign(NdArray.Create(Enumerable.Repeat((double)number, variable.Length).ToArray(), variable.Shape));
    optimizer.Save(path, keep: 1);
    Console.WriteLine(number);
}
