using System.Runtime.InteropServices;

namespace Infinorm.Tests.Serialization;

public sealed class AtomicFileTests : IDisposable
{
    readonly TemporaryFolder _folder = new();
    readonly string _path;

    public AtomicFileTests() => _path = _folder / "state";

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_new_file_is_written()
    {
        Write("one");
        Assert.Equal("one", File.ReadAllText(_path));
        Assert.Equal(["state"], _folder.Files);
    }

    [Fact]
    public void A_former_file_is_replaced_even_by_a_shorter_one()
    {
        Write("a longer text");
        Write("two");
        Assert.Equal("two", File.ReadAllText(_path));
        Assert.Equal(["state"], _folder.Files);
    }

    [Fact]
    public void Whoever_has_the_former_file_open_reads_it_to_its_end()
    {
        Write("one");
        using var reader = new StreamReader(new FileStream(_path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        Write("two");
        Assert.Equal("one", reader.ReadToEnd());
    }

    [Fact]
    public void A_failure_leaves_the_former_file_and_nothing_else()
    {
        Write("one");
        var failure = Assert.Throws<IOException>(() => AtomicFile.Write(_path, stream =>
        {
            stream.Write(new byte[100_000]);
            throw new IOException("the disk is full");
        }));
        Assert.Equal("the disk is full", failure.Message);
        Assert.Equal("one", File.ReadAllText(_path));
        Assert.Equal(["state"], _folder.Files);
    }

    [Fact]
    public void Keep_keeps_the_last_ones_and_the_youngest_is_1()
    {
        foreach (string text in new[] { "one", "two", "three", "four" })
            Write(text, keep: 2);
        Assert.Equal(["state", "state.1", "state.2"], _folder.Files);
        Assert.Equal(["four", "three", "two"], _folder.Files.Select(name => File.ReadAllText(_folder / name)));
    }

    [Fact]
    public void Keep_may_not_be_negative()
    {
        Assert.Throws<ArgumentOutOfRangeException>("keep", () => Write("one", keep: -1));
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void What_a_killed_process_left_is_removed_by_the_next_save_of_the_same_file_only()
    {
        string[] others = ["other.0123abcd.tmp", "state.0123abcg.tmp", "state.0123abcd.txt", "state.tmp"];
        foreach (string name in others.Append("state.0123abcd.tmp"))
            File.WriteAllText(_folder / name, "left");
        Write("one");
        Assert.Equal(others.Append("state").Order(StringComparer.Ordinal), _folder.Files);
    }

    [Fact]
    public void A_save_that_is_under_way_is_not_disturbed_by_another_one()
    {
        AtomicFile.Write(_path, stream =>
        {
            stream.Write("outer"u8);
            Write("inner");
            Assert.Equal("inner", File.ReadAllText(_path));
        });
        Assert.Equal("outer", File.ReadAllText(_path));
        Assert.Equal(["state"], _folder.Files);
    }

    [Fact]
    public void A_folder_that_is_missing_or_that_stands_in_the_way_is_an_error()
    {
        Assert.Throws<DirectoryNotFoundException>(() => AtomicFile.Write(_folder / "missing/state", _ => { }));
        Directory.CreateDirectory(_path);
        Assert.Throws<UnauthorizedAccessException>(() => Write("one"));
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void A_link_stays_a_link()
    {
        Directory.CreateDirectory(_folder / "disk");
        File.WriteAllText(_folder / "disk/real", "old");
        File.CreateSymbolicLink(_path, _folder / "disk/real");
        Write("new");
        Assert.NotNull(new FileInfo(_path).LinkTarget);
        Assert.Equal("new", File.ReadAllText(_folder / "disk/real"));
    }

    [Theory]
    [InlineData(0b101_101_101, 0b110_110_110)]
    [InlineData(0b111_111_111, 0b100_100_100)]
    public void Without_permission_to_write_the_folder_or_the_file_the_former_file_stays(int folderMode, int fileMode)
    {
        if (OperatingSystem.IsWindows())
            return;
        Write("one");
        File.SetUnixFileMode(_path, (UnixFileMode)fileMode);
        File.SetUnixFileMode(_folder / "", (UnixFileMode)folderMode);
        try
        {
            using (new Unprivileged())
                Assert.Throws<UnauthorizedAccessException>(() => Write("two"));
            Assert.Equal("one", File.ReadAllText(_path));
            Assert.Equal(["state"], _folder.Files);
        }
        finally
        {
            File.SetUnixFileMode(_folder / "", (UnixFileMode)0b111_111_111);
        }
    }

    [Fact]
    public void A_private_file_stays_private()
    {
        if (OperatingSystem.IsWindows())
            return;
        Write("one");
        File.SetUnixFileMode(_path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Write("two");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_path));
    }

    void Write(string text, int keep = 0) => AtomicFile.Write(_path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)), keep);

    /// <summary>Takes from this thread root's right to ignore permissions, until it is disposed.</summary>
    sealed class Unprivileged : IDisposable
    {
        const int Nobody = 65534;

        readonly bool _wasRoot = OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess;
        readonly int _user;

        public Unprivileged() => _user = _wasRoot ? SetFileSystemUser(Nobody) : 0;

        public void Dispose() => _ = _wasRoot ? SetFileSystemUser(_user) : 0;

        [DllImport("libc", EntryPoint = "setfsuid")]
        static extern int SetFileSystemUser(int user);
    }
}
