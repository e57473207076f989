using System.Diagnostics;

namespace Tidemark.Tests.Unit;

public sealed class DiskFileSystemTests : IDisposable
{
    private readonly TestDirectory _directory = new();
    private readonly DiskFileSystem _files = DiskFileSystem.Instance;

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Directories_and_files_are_created_for_their_owner_alone()
    {
        if (OperatingSystem.IsWindows()) return;
        _files.CreateDirectory(_directory.At("a", "b"));
        _files.Open(_directory.At("a", "file"), FileOpenMode.New).Dispose();
        _files.Lock(_directory.At("a", "LOCK")).Dispose();
        const UnixFileMode File600 = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        Assert.Equal(File600 | UnixFileMode.UserExecute, File.GetUnixFileMode(_directory.At("a")));
        Assert.Equal(File600 | UnixFileMode.UserExecute, File.GetUnixFileMode(_directory.At("a", "b")));
        Assert.Equal(File600, File.GetUnixFileMode(_directory.At("a", "file")));
        Assert.Equal(File600, File.GetUnixFileMode(_directory.At("a", "LOCK")));
    }

    [Fact]
    public void A_symbolic_link_is_refused_as_a_data_file()
    {
        if (OperatingSystem.IsWindows()) return;   // Links need a privilege there.
        File.WriteAllText(_directory.At("target"), "x");
        File.CreateSymbolicLink(_directory.At("link"), _directory.At("target"));
        IOException error = Assert.Throws<IOException>(() => _files.Open(_directory.At("link"), FileOpenMode.ExistingOrNew));
        Assert.Contains("symbolic link", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_lock_file_tells_an_administrator_who_holds_it()
    {
        if (OperatingSystem.IsWindows()) return;   // Another process may not read it there while it is held.
        string path = _directory.At("LOCK");
        File.WriteAllText(path, "99999999 a-host-long-gone-with-a-long-name\n");
        using IDisposable held = _files.Lock(path);
        using var cat = Process.Start(new ProcessStartInfo("cat", [path]) { RedirectStandardOutput = true })!;
        Assert.Equal($"{Environment.ProcessId} {Environment.MachineName}\n", cat.StandardOutput.ReadToEnd());
        cat.WaitForExit();
    }

    [Fact]
    public void A_full_device_is_reported_as_a_full_store()
    {
        if (!OperatingSystem.IsLinux()) return;   // Only Linux has a device that is always full.
        using IFile file = _files.Open("/dev/full", FileOpenMode.Existing);
        StoreFullException error = Assert.Throws<StoreFullException>(() => file.Write(0, [1]));
        Assert.Contains("/dev/full", error.Message, StringComparison.Ordinal);
    }

    /// <summary>A hole would find the disk full only when it is filled, long after somebody was told that there is room.</summary>
    [Fact]
    public void A_length_takes_the_room_of_what_it_adds()
    {
        if (!OperatingSystem.IsLinux()) return;   // Only there is a program that tells.
        using (IFile file = _files.Open(_directory.At("a"), FileOpenMode.New))
        {
            file.Write(0, [1]);
            file.SetLength(1024 * 1024);
            Assert.Equal(1024 * 1024, file.Length);
        }

        using var stat = Process.Start(new ProcessStartInfo("stat", ["--format=%b %B", _directory.At("a")]) { RedirectStandardOutput = true })!;
        long[] blocks = [.. stat.StandardOutput.ReadToEnd().Split(' ').Select(number => long.Parse(number, System.Globalization.CultureInfo.InvariantCulture))];
        stat.WaitForExit();
        Assert.InRange(blocks[0] * blocks[1], 1024 * 1024, 2 * 1024 * 1024);
    }

    [Fact]
    public void A_flush_that_the_system_refuses_is_an_error_naming_file_and_errno()
    {
        if (!OperatingSystem.IsLinux()) return;
        using IFile file = _files.Open("/dev/null", FileOpenMode.Existing);   // fdatasync of a device without storage: EINVAL.
        IOException error = Assert.Throws<IOException>(file.Flush);
        Assert.Contains("/dev/null", error.Message, StringComparison.Ordinal);
        Assert.Contains("errno 22", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_relative_path_means_the_working_directory()
    {
        string relative = Path.GetRelativePath(Environment.CurrentDirectory, _directory.At("a"));
        _files.Open(relative, FileOpenMode.New).Dispose();
        Assert.True(_files.FileExists(_directory.At("a")));
        _files.Move(relative, relative + "2");
        Assert.Equal(["a2"], _files.ListFiles(_directory.Path));
    }
}
