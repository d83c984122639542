using System.Runtime.InteropServices;
using System.Text;
using Infinorm.Checkpoints;
using Microsoft.Win32.SafeHandles;

namespace Infinorm.Tests.Checkpoints;

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
    public void What_was_left_of_a_hidden_file_is_removed_too()
    {
        File.WriteAllText(_folder / ".state.0123abcd.tmp", "left");
        AtomicFile.Write(_folder / ".state", stream => stream.Write("one"u8));
        Assert.Equal([".state"], _folder.Files);
    }

    [Fact]
    public void A_file_of_the_longest_name_is_saved_and_what_was_left_of_it_removed()
    {
        foreach (string name in new[] { new string('n', 255), new string('\u00e4', 120) + "xyz" }) // 255 and 243 bytes
        {
            string? left = null;
            AtomicFile.Write(_folder / name, _ => left = _folder.Files.Single());
            File.Move(_folder / name, _folder / left!);
            AtomicFile.Write(_folder / name, stream => stream.Write("one"u8));
            Assert.Equal([name], _folder.Files);
            File.Delete(_folder / name);
        }
    }

    [Fact]
    public void Files_with_long_names_that_begin_alike_do_not_take_each_others_for_leftovers()
    {
        string one = new string('n', 250) + "1", two = new string('n', 250) + "2";
        AtomicFile.Write(_folder / one, _ => { });
        string? left = null;
        AtomicFile.Write(_folder / one, _ => left = _folder.Files.Single(name => name != one));
        File.WriteAllText(_folder / left!, "left");
        AtomicFile.Write(_folder / two, _ => { });
        Assert.Contains(left, _folder.Files);
    }

    [Fact]
    public void Keep_may_be_any_number_and_a_gap_closes()
    {
        File.WriteAllText(_folder / "state.1", "four");
        File.WriteAllText(_folder / "state.3", "two"); // state.2 is not there: killed between two renames
        Write("five");
        Write("six", keep: int.MaxValue);
        Assert.Equal(["state", "state.1", "state.2", "state.3"], _folder.Files);
        Assert.Equal(["six", "five", "four", "two"], _folder.Files.Select(name => File.ReadAllText(_folder / name)));
    }

    // A save moves the former files up, beginning with the oldest, links or copies the present one to state.1 and renames the new one.
    [Theory]
    [InlineData(0, false)]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(2, true)]
    [InlineData(2, true, true)]
    public void A_save_that_was_killed_between_two_operations_loses_no_former_file(int moves, bool isFormerThere, bool isCopied = false)
    {
        const int keep = 3;
        foreach (string text in new[] { "1", "2", "3", "4" })
            Write(text, keep);
        for (int age = keep; age > keep - moves; age--)
            File.Move($"{_path}.{age - 1}", $"{_path}.{age}", overwrite: true);
        if (isCopied)
            File.Copy(_path, _path + ".1");
        else if (isFormerThere)
            Assert.Equal(0, OperatingSystem.IsWindows() ? LinkOnWindows(_path + ".1", _path, 0) - 1 : Link(_path, _path + ".1"));

        Write("5", keep);
        Assert.Equal("5432", Kept());
        Write("6", keep);
        Assert.Equal("6543", Kept());

        string Kept() => string.Concat(_folder.Files.Select(name => File.ReadAllText(_folder / name)));
    }

    [Fact]
    public void A_former_file_of_the_same_time_and_length_is_kept_unless_it_is_a_copy()
    {
        foreach (string text in new[] { "1", "2", "3" })
        {
            Write(text, keep: 2);
            File.SetLastWriteTimeUtc(_path, DateTime.UnixEpoch);
        }

        Assert.Equal(["3", "2", "1"], _folder.Files.Select(name => File.ReadAllText(_folder / name)));
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
        var missing = Assert.Throws<DirectoryNotFoundException>(() => AtomicFile.Write(_folder / "missing/state", _ => { }));
        Assert.Equal($"{_folder / "missing/state"}: there is no folder {_folder / "missing"}", missing.Message);
        Directory.CreateDirectory(_path);
        var folder = Assert.Throws<UnauthorizedAccessException>(() => Write("one"));
        Assert.Equal($"{_path}: it is a folder; give the path of a file in it", folder.Message);
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void What_is_no_file_is_neither_replaced_nor_waited_for()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such files.");
        Assert.Equal(0, MakePipe(_path, 0x1FF));
        File.CreateSymbolicLink(_folder / "link", _path);
        foreach (var (path, kind) in new[] { (_path, "named pipe"), (_folder / "link", "named pipe"), ("/dev/null", "character device") })
        {
            var failure = Assert.Throws<IOException>(() => AtomicFile.Write(path, _ => Assert.Fail("It began to write.")));
            Assert.Equal($"{path}: it is a {kind}; only files are saved to", failure.Message);
            var invalid = Assert.Throws<InvalidFileException>(() => Optimizer.Load(path, []));
            Assert.Equal($"{path}: it is a {kind}, not a file", invalid.Message);
        }

        Assert.Equal(["link", "state"], _folder.Files);
    }

    [Fact]
    public void A_pipe_that_has_a_leftovers_name_is_left_alone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such files.");
        Assert.Equal(0, MakePipe(_folder / "state.0123abcd.tmp", 0x1FF));
        Write("one");
        Assert.Equal(["state", "state.0123abcd.tmp"], _folder.Files);
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

    [Fact]
    public void A_relative_link_leads_from_the_folder_that_it_lies_in()
    {
        Directory.CreateDirectory(_folder / "far/away");
        Directory.CreateDirectory(_folder / "far/linked");
        Directory.CreateSymbolicLink(_folder / "near", _folder / "far/away");
        Directory.CreateSymbolicLink(_folder / "far/to", "linked");
        File.CreateSymbolicLink(_folder / "far/away/state", ".././to//../state");
        File.WriteAllText(_folder / "far/state", "old");
        AtomicFile.Write(_folder / "near/state", stream => stream.Write("new"u8));
        Assert.Equal("new", File.ReadAllText(_folder / "far/state"));
        Assert.Equal("new", File.ReadAllText(_folder / "near/state"));
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void As_many_links_are_followed_as_Linux_follows()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Elsewhere the folder for temporary files may lie behind links of its own.");
        for (int link = 1; link <= 41; link++)
            File.CreateSymbolicLink(_folder / $"{link}", link == 1 ? "state" : $"{link - 1}");
        AtomicFile.Write(_folder / "40", stream => stream.WriteByte((byte)'a'));
        Assert.Equal("a", File.ReadAllText(_path));
        IOException e = Assert.Throws<IOException>(() => AtomicFile.Write(_folder / "41", stream => stream.WriteByte((byte)'b')));
        Assert.EndsWith("41: it leads through more than 40 symbolic links", e.Message);
        Assert.Equal("a", File.ReadAllText(_path));
    }

    [Fact]
    public void A_link_to_nothing_gets_what_it_points_to_and_a_circle_is_an_error()
    {
        File.CreateSymbolicLink(_path, "real");
        Write("new");
        Assert.Equal("new", File.ReadAllText(_folder / "real"));
        File.CreateSymbolicLink(_folder / "one", "two");
        File.CreateSymbolicLink(_folder / "two", "one");
        Assert.Throws<IOException>(() => AtomicFile.Write(_folder / "one", _ => { }));
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

    [Fact]
    public void The_folder_is_flushed_after_the_file_was_renamed()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux tells who opens a folder.");
        using var events = new FolderEvents(_folder / "");
        Write("one");
        Assert.Equal(["moved state", "opened the folder"], events.Read()[^2..]);
        Write("two", keep: 1);
        Assert.Equal(["moved state", "opened the folder"], events.Read()[^2..]);
    }

    [Fact]
    public void What_cannot_be_flushed_is_no_error()
    {
        Assert.Equal(OperatingSystem.IsLinux() || OperatingSystem.IsMacOS(), AtomicFile.FlushFolder(_folder / ""));
        Assert.False(AtomicFile.FlushFolder(_folder / "missing"));
    }

    [DllImport("libc", EntryPoint = "mkfifo")]
    static extern int MakePipe([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int mode);

    [DllImport("libc", EntryPoint = "link")]
    static extern int Link([MarshalAs(UnmanagedType.LPUTF8Str)] string from, [MarshalAs(UnmanagedType.LPUTF8Str)] string to);

    [DllImport("kernel32", EntryPoint = "CreateHardLinkW", CharSet = CharSet.Unicode)]
    static extern int LinkOnWindows(string to, string from, nint security);

    void Write(string text, int keep = 0) => AtomicFile.Write(_path, stream => stream.Write(Encoding.UTF8.GetBytes(text)), keep);

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

    /// <summary>What Linux says of files that are renamed to a name in a folder, and of the folder being opened.</summary>
    sealed class FolderEvents : IDisposable
    {
        const int NonBlocking = 0x800;
        const uint MovedTo = 0x80, Opened = 0x20, IsFolder = 0x40000000;

        readonly SafeFileHandle _handle = Init(NonBlocking);

        public FolderEvents(string folder) => Assert.True(AddWatch(_handle, folder, MovedTo | Opened) > 0);

        /// <summary>What happened since the last call.</summary>
        public string[] Read()
        {
            var bytes = new byte[1 << 16];
            nint count = Read(_handle, bytes, bytes.Length);
            var events = new List<string>();
            for (int at = 0; at < count;)
            {
                // Which watch it was, what happened, which events belong together, how long the name is; then the name.
                uint mask = BitConverter.ToUInt32(bytes, at + 4);
                int length = BitConverter.ToInt32(bytes, at + 12);
                string name = Encoding.UTF8.GetString(bytes, at + 16, length).TrimEnd('\0');
                if ((mask & MovedTo) != 0)
                    events.Add($"moved {name}");
                else if ((mask & IsFolder) != 0)
                    events.Add("opened the folder");
                at += 16 + length;
            }

            return [.. events];
        }

        public void Dispose() => _handle.Dispose();

        [DllImport("libc", EntryPoint = "inotify_init1")]
        static extern SafeFileHandle Init(int flags);

        [DllImport("libc", EntryPoint = "inotify_add_watch")]
        static extern int AddWatch(SafeFileHandle handle, [MarshalAs(UnmanagedType.LPUTF8Str)] string path, uint mask);

        [DllImport("libc", EntryPoint = "read")]
        static extern nint Read(SafeFileHandle handle, byte[] buffer, nint count);
    }
}
