namespace Infinorm.Keras.Tests;

/// <summary>The files of the folder Files: archives by Keras, and ones that were made to do harm.</summary>
static class TestFile
{
    public static string PathOf(string name) => Path.Combine(AppContext.BaseDirectory, "Files", name);
}
