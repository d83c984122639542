using Infinorm.Optimizers;
using Infinorm.Variables;

// Saves over and over until it is killed, or so many times: Infinorm.SaveLoop FILE [KEEP TIMES]. State number n has n in every element;
// the first continues the file.
string path = args[0];
int keep = args.Length > 1 ? int.Parse(args[1]) : 1;
long times = args.Length > 2 ? long.Parse(args[2]) : long.MaxValue;
var weights = new Variable<float>("weights", new float[100_000]);
var bias = new Variable<double>("bias", new double[100]);
var optimizer = new Adamax();
optimizer.Build(weights, bias);
if (File.Exists(path))
    optimizer.Restore(path);

for (long number = optimizer.Iterations + 1; times > 0; number++, times--)
{
    foreach (Variable variable in optimizer.Variables.Concat(optimizer.TrainableVariables))
        Fill(variable, number);
    optimizer.Save(path, keep: keep);
    Console.WriteLine(number);
}

// Quickly, so that most of the time is spent on writing.
static void Fill(Variable variable, long number)
{
    switch (variable)
    {
        case Variable<float> floats:
            floats.Span.Fill(number);
            break;
        case Variable<double> doubles:
            doubles.Span.Fill(number);
            break;
        case Variable<long> counter:
            counter.Span.Fill(number);
            break;
        default:
            throw new InvalidOperationException($"{variable} is of another type.");
    }
}
