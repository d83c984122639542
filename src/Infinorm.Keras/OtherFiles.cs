using System.Text.RegularExpressions;
using Infinorm.Checkpoints;
using Infinorm.Keras.Hdf5;

namespace Infinorm.Keras;

/// <summary>Recognises files that are mistaken for Keras models, and says what they are and what to do with them.</summary>
static partial class OtherFiles
{
    const string SaveAgain = "In Python: keras.models.load_model('model.keras').save('new.keras')";
    const string OneFile = "In Python, load the model and save it without max_shard_size: model.save('model.keras')";

    /// <summary>Refuses a folder, and one of several files that make up a model.</summary>
    /// <exception cref="InvalidFileException">The path is one.</exception>
    public static void RefuseByPath(string path)
    {
        if (Directory.Exists(path))
            throw new InvalidFileException(path, Folder(path));
        if (ShardNumber().IsMatch(path))
        {
            string list = ShardNumber().Replace(path, ".weights.json");
            if (File.Exists(list))
            {
                throw new InvalidFileException(path,
                    $"one of several files (shards) that {Path.GetFileName(list)} lists, with a part of the weights. {OneFile}");
            }
        }
    }

    /// <summary>What a file is that is neither a zip nor an HDF5 file.</summary>
    /// <param name="start">Its first bytes.</param>
    public static string Describe(ReadOnlySpan<byte> start)
    {
        if (start.StartsWith("version https://git-lfs"u8))
            return "a pointer of Git LFS, which stands for the file itself: fetch that with \"git lfs pull\"";
        if (start.IndexOf("\"weight_map\""u8) >= 0)
            return $"a list of several files (shards) that hold a model's weights. {OneFile}";
        if (start.Length > 8 && start[8] == '{' && start[7] == 0)
            return "a safetensors file, which Optimizer.Load reads, not a .keras archive (a zip file) or a .weights.h5 file (HDF5)";
        return start.StartsWith("\x93NUMPY"u8)
            ? "an array of NumPy (.npy), not a .keras archive (a zip file) or a .weights.h5 file (HDF5)"
            : "neither a .keras archive (a zip file) nor a .weights.h5 file (HDF5)";
    }

    /// <summary>What a zip file is that lacks an entry of a <c>.keras</c> archive.</summary>
    public static string Describe(IEnumerable<ZipEntry> entries, string missing)
    {
        string[] names = [.. entries.Select(entry => entry.Name)];
        if (Array.Exists(names, name => name == "model.weights.json"))
            return $"its weights lie in several files (shards), which is not supported. {OneFile}";
        if (Array.Exists(names, name => name == "model.weights.npz"))
            return "its weights are arrays of NumPy (model.weights.npz), which is not supported. " + SaveAgain;
        if (names.Length > 0 && Array.TrueForAll(names, name => name.EndsWith(".npy", StringComparison.Ordinal)))
            return "arrays of NumPy (.npz), not a .keras archive. Set them as a model's weights in Python, and save that: model.save('model.keras')";
        if (Array.Exists(names, name => name.EndsWith("data.pkl", StringComparison.Ordinal)))
            return "a file of PyTorch (torch.save), not a .keras archive";
        return Array.Find(names, name => name.EndsWith($"/{missing}", StringComparison.Ordinal)) is { } inFolder
            ? $"not a .keras archive: its entries lie in a folder, {inFolder[..^missing.Length]}. Zip what is in the folder, not the folder"
            : $"not a .keras archive: it has no {missing}";
    }

    /// <summary>Refuses the HDF5 layout that Keras 2 writes, and Keras 3 for <c>*.h5</c>.</summary>
    /// <exception cref="InvalidFileException">The file has it.</exception>
    public static void RefuseLegacy(string file, Hdf5Group root)
    {
        if (root.Groups.ContainsKey("model_weights"))
        {
            throw new InvalidFileException(file, "a whole model in the HDF5 layout of Keras 2 (model.save('model.h5')), which an archive does not have. "
                + "KerasModel of Infinorm.Keras.TorchSharp opens it; or in Python: keras.models.load_model('model.h5').save('model.keras')");
        }

        if (root.Attributes.ContainsKey("layer_names"))
        {
            throw new InvalidFileException(file, "weights in the HDF5 layout of Keras 2 (model.save_weights('weights.h5')), which is not supported. "
                + "In Python: model.load_weights('weights.h5'), then model.save('model.keras')");
        }
    }

    static string Folder(string path)
    {
        if (File.Exists(Path.Combine(path, "saved_model.pb")))
        {
            return "a folder of TensorFlow's SavedModel, not a .keras archive. "
                + "In Python with Keras 2: tf_keras.models.load_model('folder').save('model.keras')";
        }

        return File.Exists(Path.Combine(path, "model.weights.h5"))
            ? "the folder of a .keras archive that was unzipped. Zip what is in it (zip -0 -r model.keras .), or open its model.weights.h5 "
                + "with the JSON of its config.json"
            : "a folder, not a .keras archive or a .weights.h5 file";
    }

    [GeneratedRegex(@"_\d{5,6}\.weights\.h5$")]
    private static partial Regex ShardNumber();
}
