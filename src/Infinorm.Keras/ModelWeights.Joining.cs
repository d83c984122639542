using Infinorm.Keras.Hdf5;
using Infinorm.Types;

namespace Infinorm.Keras;

// Weights that are one, and the order and names that are given.
sealed partial class ModelWeights
{
    // One variable of Keras that several layers saved is one weight, where Keras lists it first.
    void JoinCopies()
    {
        foreach (var (copy, location) in _copies)
        {
            if (Weights.Find(weight => weight.Location == location) is { } original && HoldsSame(original, copy))
                Join(original, copy); // Keras loads the layer inside last
            else
                UnorderedGroup ??= ParentOf(copy.Location);
        }
    }

    static bool HoldsSame(KerasWeight one, KerasWeight other) =>
        one.Variable.DType == other.Variable.DType && one.Variable.Shape.SequenceEqual(other.Variable.Shape) && one.Stored.HasSame(other.Stored);

    // A layer of one's own may have another layer's variable: then both hold the same values. Variables whose paths were given are different
    // ones, and so are a trained and a frozen one: a model that is trained towards a copy of itself begins with equal values.
    void JoinSame()
    {
        foreach (KerasWeight own in Weights.FindAll(weight => !weight.IsNamed && !(AreTrainedGiven && weight.IsTrainable) && IsTelling(weight)))
        {
            if (!Weights.Contains(own) || Weights.Find(weight => IsSame(own, weight)) is not { } other)
                continue;
            if (!AreTrainedGiven)
                Tied ??= $"{own.Location} and {other.Location} hold the same values, and it is not known whether they are one variable";
            Join(other, own);
        }

        static bool IsSame(KerasWeight own, KerasWeight other) =>
            ParentOf(own.Location) != ParentOf(other.Location) && own.IsFrozen == other.IsFrozen && HoldsSame(own, other);

        // Zeros and ones are alike by chance.
        static bool IsTelling(KerasWeight weight)
        {
            int size = weight.Variable.DType.Size();
            long others = weight.Stored.Length - size;
            return others > 0 && !weight.Stored.Slice(size, others).HasSame(weight.Stored.Slice(0, others));
        }
    }

    void Join(KerasWeight original, KerasWeight copy)
    {
        original.Copies.Add(copy.Location);
        original.Copies.AddRange(copy.Copies);
        int first = Math.Min(Weights.IndexOf(original), Weights.IndexOf(copy));
        Weights.Remove(copy);
        Weights.Remove(original);
        Weights.Insert(first, original);
    }

    // The order that Keras prints: each path with the model's name in front, or as ours.
    void Arrange(string[] paths, string? modelName)
    {
        KerasWeight[] all = [.. Weights];
        var ordered = new List<KerasWeight>();
        foreach (string path in paths)
        {
            KerasWeight weight = Named(path);
            if (!weight.IsNamed && path != weight.Location && path != weight.Variable.Path)
            {
                weight.Variable.Path = Hdf5Group.Join(ParentOf(weight.Variable.Path), NameIn(path));
                weight.IsNamed = weight.IsNameSure = true;
            }

            ordered.Add(weight);
            Weights.Remove(weight);
        }

        Weights.ForEach(weight => weight.IsTrainable = false);
        ordered.ForEach(weight => weight.IsTrainable = true);
        Weights.InsertRange(0, ordered);
        (UnorderedGroup, Missing, Tied, Doubtful, AreTrainedGiven) = (null, null, null, null, true);

        KerasWeight Named(string path)
        {
            string inModel = modelName is not null && path.StartsWith(modelName + "/", StringComparison.Ordinal) ? path[(modelName.Length + 1)..] : path;
            KerasWeight[] found =
            [
                .. all.Where(weight =>
                    weight.Location == path || (weight.IsPathKnown && (weight.Variable.Path == path || weight.Variable.Path == inModel))),
            ];
            if (found.Length == 0)
                found = [.. all.Where(weight => weight.IsPathKnown && IsPartOf(path, weight.Variable.Path))];
            if (found.Length > 1)
            {
                throw new ArgumentException(
                    $"{_file}: more than one weight is called '{path}': {string.Join(", ", found.Select(w => w.Location))}. Give its location.");
            }

            if (found.Length == 1 && Weights.Contains(found[0]))
                return found[0];

            // The numbers of a layer's weights follow the order in which it made them, those that are trained first.
            KerasWeight[] numbered =
            [
                .. Weights.Where(weight => !weight.IsNamed && weight.IsPathKnown && Number(NameIn(weight.Location)) < int.MaxValue
                    && ParentOf(weight.Variable.Path) is var layer
                    && (layer == ParentOf(inModel) || (layer.Length > 0 && IsPartOf(ParentOf(path), layer)))),
            ];
            return found.Length == 0 && numbered.Length > 0 && numbered.All(weight => ParentOf(weight.Location) == ParentOf(numbered[0].Location))
                ? numbered[0]
                : throw new ArgumentException(
                    $"{_file}: '{path}' is not one of the weights, or is given twice; the weights are "
                    + $"{string.Join(", ", all.Select(w => w.IsPathKnown ? w.Variable.Path : w.Location))}.");
        }

        // Keras's path has the names of some of the models around a layer: more than ours, or fewer.
        static bool IsPartOf(string given, string ours) =>
            given == ours || given.EndsWith("/" + ours, StringComparison.Ordinal)
            || (given.Contains('/') && ours.EndsWith("/" + given, StringComparison.Ordinal));
    }

    static string NameIn(string path) => path[(path.LastIndexOf('/') + 1)..];

    static string ParentOf(string path) => path[..Math.Max(0, path.LastIndexOf('/'))];
}
