using System.Text;
using Tidemark.Testing;

namespace Tidemark.Tests.Unit;

public sealed class FaultyFileSystemTests
{
    private const string Directory = "/d";

    private readonly FaultyFileSystem _disk = new(seed: 42);

    public FaultyFileSystemTests() => _disk.CreateDirectory(Directory);

    [Fact]
    public void Without_a_flush_a_power_cut_takes_bytes_and_names()
    {
        Write(_disk, "a", "hello");
        Assert.Equal("", Show(_disk.Crash(CrashLoss.Everything).Disk));
        Assert.Equal("a=hello", Show(_disk.Crash(CrashLoss.Nothing).Disk));
    }

    [Fact]
    public void A_flushed_file_whose_directory_was_not_flushed_loses_its_name()
    {
        using IFile file = Write(_disk, "a", "hello");
        file.Flush();
        Assert.Equal("", Show(_disk.Crash(CrashLoss.Everything).Disk));
        Assert.Equal((0, 1), (_disk.UnsyncedWrites, _disk.UnsyncedNames));
        Assert.Equal(1, _disk.Counts[FaultKind.LostName]);
    }

    [Fact]
    public void A_flushed_name_whose_file_was_not_flushed_is_an_empty_file()
    {
        Write(_disk, "a", "hello");
        _disk.FlushDirectory(Directory);
        Assert.Equal("a=", Show(_disk.Crash(CrashLoss.Everything).Disk));
        Assert.Equal((1, 0), (_disk.UnsyncedWrites, _disk.UnsyncedNames));
    }

    [Fact]
    public void A_flush_saves_what_was_written_before_it_and_nothing_after()
    {
        using IFile file = Settled("a", "hello");
        file.Write(0, "J"u8);
        file.SetLength(2);
        Assert.Equal("a=hello", Show(_disk.Crash(CrashLoss.Everything).Disk));
        file.Flush();
        Assert.Equal("a=Je", Show(_disk.Crash(CrashLoss.Everything).Disk));
    }

    [Fact]
    public void An_unflushed_rename_leaves_the_old_name_or_the_new_one_and_never_both_or_neither()
    {
        Settled("a", "new").Dispose();
        Settled("b", "old").Dispose();
        _disk.Move(Directory + "/a", Directory + "/b");
        string[] seen = [.. _disk.CrashStates(50).Select(state => Show(state.Disk)).Distinct().Order()];
        Assert.Equal(["a=new b=old", "b=new"], seen);
        _disk.FlushDirectory(Directory);
        Assert.Equal("b=new", Show(_disk.Crash(CrashLoss.Everything).Disk));
    }

    [Fact]
    public void An_unflushed_removal_may_come_back()
    {
        Settled("a", "x").Dispose();
        _disk.Delete(Directory + "/a");
        Assert.Equal(["", "a=x"], _disk.CrashStates(20).Select(state => Show(state.Disk)).Distinct().Order());
    }

    [Fact]
    public void Name_changes_survive_in_any_subset()
    {
        foreach (string name in (string[])["a", "b", "c"]) Write(_disk, name, "").Dispose();
        Assert.Equal(
            ["", "a=", "a= b=", "a= b= c=", "a= c=", "b=", "b= c=", "c="],
            _disk.CrashStates(200).Select(state => Show(state.Disk)).Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_flush_of_one_directory_says_nothing_about_another_but_saves_a_rename_between_them()
    {
        _disk.CreateDirectory("/e");
        Write(_disk, "a", "").Dispose();
        Write(_disk, "b", "").Dispose();
        _disk.Move("/d/a", "/e/a");
        _disk.FlushDirectory("/e");
        FaultyFileSystem left = _disk.Crash(CrashLoss.Everything).Disk;
        Assert.Equal(["a"], left.ListFiles("/e"));
        Assert.Empty(left.ListFiles(Directory));
        _disk.FlushDirectory(Directory);
        left = _disk.Crash(CrashLoss.Everything).Disk;
        Assert.Equal(["a"], left.ListFiles("/e"));
        Assert.Equal(["b"], left.ListFiles(Directory));
    }

    [Fact]
    public void The_newest_eight_writes_survive_in_every_subset_and_older_ones_all_or_not_at_all()
    {
        using IFile file = Settled("a", new string('.', 10));
        for (int i = 0; i < 10; i++) file.Write(i, "x"u8);
        string[] seen = [.. _disk.CrashStates(8000).Select(state => Show(state.Disk)[2..]).Distinct()];
        Assert.All(seen, text => Assert.True(text[..2] is ".." or "xx", text));
        Assert.Equal(2 * 256, seen.Length);
    }

    [Fact]
    public void Kept_writes_are_torn_at_sectors_and_only_there()
    {
        const int Start = 100, Count = 1800;   // Touches sectors 0 to 3, the first and the last in part.
        using IFile file = Settled("a", new string('.', 2048));
        file.Write(Start, Encoding.ASCII.GetBytes(new string('x', Count)));
        var shapes = new HashSet<string>();
        foreach (CrashState state in _disk.CrashStates(4000))
        {
            string text = Show(state.Disk)[2..];
            Assert.Equal(2048, text.Length);
            var shape = new StringBuilder();
            foreach (Range sector in (Range[])[100..512, 512..1024, 1024..1536, 1536..1900])
            {
                Assert.Single(text[sector].Distinct());
                shape.Append(text[sector][0]);
            }
            shapes.Add(shape.ToString());
        }
        Assert.Equal(16, shapes.Count);
        Assert.True(_disk.Counts[FaultKind.TornWrite] > 0);
    }

    [Fact]
    public void A_file_may_have_grown_before_its_bytes_arrived()
    {
        using IFile file = Settled("a", "");
        file.Write(0, Encoding.ASCII.GetBytes(new string('x', 1024)));
        string[] seen = [.. _disk.CrashStates(200).Select(state => Show(state.Disk)[2..].Replace("\0", "0", StringComparison.Ordinal))
            .Select(text => $"{text.Length}:{text.Replace(new string('x', 512), "X", StringComparison.Ordinal).Replace(new string('0', 512), "0", StringComparison.Ordinal)}")
            .Distinct().Order(StringComparer.Ordinal)];
        Assert.Equal(["0:", "1024:00", "1024:0X", "1024:X0", "1024:XX", "512:X"], seen);
    }

    [Fact]
    public void A_failed_flush_loses_what_it_was_to_save_and_a_later_one_does_not_bring_it_back()
    {
        using IFile file = Settled("a", "old");
        file.Write(0, "new"u8);
        _disk.Fail(FaultKind.FlushError);
        Assert.Equal(5, Assert.Throws<IOException>(file.Flush).HResult);
        file.Flush();
        Assert.Equal("a=new", Show(_disk));
        Assert.Equal("a=old", Show(_disk.Crash(CrashLoss.Nothing).Disk));
        file.Write(3, "er"u8);
        file.Flush();
        Assert.Equal("a=older", Show(_disk.Crash(CrashLoss.Everything).Disk));
        Assert.Equal((1, 1), (_disk.Counts[FaultKind.FlushError], _disk.Counts[FaultKind.LostByFlush]));
    }

    [Fact]
    public void A_failed_directory_flush_loses_the_names_it_was_to_save()
    {
        Write(_disk, "a", "").Dispose();
        _disk.Fail(FaultKind.DirectoryFlushError);
        Assert.Throws<IOException>(() => _disk.FlushDirectory(Directory));
        _disk.FlushDirectory(Directory);
        Assert.True(_disk.FileExists(Directory + "/a"));
        Assert.Equal("", Show(_disk.Crash(CrashLoss.Nothing).Disk));
    }

    [Fact]
    public void The_death_of_the_process_keeps_all_that_was_written_and_releases_its_locks()
    {
        using IDisposable held = _disk.Lock(Directory + "/LOCK");
        Write(_disk, "a", "hello").Dispose();
        _disk.Stop();
        FaultyFileSystem next = _disk.ProcessKill();
        Assert.Equal("LOCK= a=hello", Show(next));
        next.Lock(Directory + "/LOCK").Dispose();
        Assert.Equal("", Show(next.Crash(CrashLoss.Everything).Disk));
        using (IFile file = next.Open(Directory + "/a", FileOpenMode.Existing)) file.Flush();
        next.FlushDirectory(Directory);
        Assert.Equal("LOCK= a=hello", Show(next.Crash(CrashLoss.Everything).Disk));
    }

    [Fact]
    public void A_crash_state_goes_its_own_way()
    {
        using IFile file = Settled("a", "hello");
        FaultyFileSystem other = _disk.Crash().Disk;
        file.Write(0, "J"u8);
        using (IFile same = other.Open(Directory + "/a", FileOpenMode.Existing)) same.Write(4, "!"u8);
        Assert.Equal(("a=Jello", "a=hell!"), (Show(_disk), Show(other)));
    }

    [Theory]
    [InlineData(StopMoment.Before)]
    [InlineData(StopMoment.Halfway)]
    public void A_stopped_disk_refuses_every_call(StopMoment moment)
    {
        IFile file = Settled("a", "hello");
        _disk.StopAt(_disk.OperationCount + 2, moment);
        file.Flush();
        SimulatedCrashException error = Assert.Throws<SimulatedCrashException>(() => file.Write(0, "J"u8));
        Assert.Equal(_disk.OperationCount, error.Operation);
        Assert.Throws<SimulatedCrashException>(() => file.Read(0, new byte[1]));
        Assert.Throws<SimulatedCrashException>(() => file.Write(0, []));
        Assert.Throws<SimulatedCrashException>(() => file.SetLength(0));
        Assert.Throws<SimulatedCrashException>(file.Flush);
        Assert.Throws<SimulatedCrashException>(() => _ = file.Length);
        Assert.Throws<SimulatedCrashException>(() => _disk.Open("/d/b", FileOpenMode.ExistingOrNew));
        Assert.Throws<SimulatedCrashException>(() => _disk.Move("/d/a", "/d/b"));
        Assert.Throws<SimulatedCrashException>(() => _disk.Delete("/d/a"));
        Assert.Throws<SimulatedCrashException>(() => _disk.FileExists("/d/a"));
        Assert.Throws<SimulatedCrashException>(() => _disk.ListFiles(Directory));
        Assert.Throws<SimulatedCrashException>(() => _disk.FlushDirectory(Directory));
        Assert.Throws<SimulatedCrashException>(() => _disk.CreateDirectory("/e"));
        Assert.Throws<SimulatedCrashException>(() => _disk.Lock("/d/LOCK"));
        file.Dispose();
    }

    [Fact]
    public void A_stop_halfway_leaves_a_part_of_the_operation()
    {
        var writes = new HashSet<string>();
        var flushes = new HashSet<string>();
        for (int seed = 0; seed < 200; seed++)
        {
            FaultyFileSystem disk = Fresh(seed, out IFile file);
            disk.StopAt(disk.OperationCount + 1, StopMoment.Halfway);
            Assert.Throws<SimulatedCrashException>(() => file.Write(0, "xyz"u8));
            writes.Add(Show(disk.Crash(CrashLoss.Nothing).Disk));

            disk = Fresh(seed, out file);
            file.Write(0, "x"u8);
            file.Write(1, "y"u8);
            disk.StopAt(disk.OperationCount + 1, StopMoment.Halfway);
            Assert.Throws<SimulatedCrashException>(file.Flush);
            flushes.Add(Show(disk.Crash(CrashLoss.Everything).Disk));
        }
        Assert.Equal(["a=", "a=x", "a=xy", "a=xyz"], writes.Order());
        Assert.Equal(["a=", "a=x", "a=xy"], flushes.Order());

        static FaultyFileSystem Fresh(int seed, out IFile file)
        {
            var disk = new FaultyFileSystem(seed);
            disk.CreateDirectory(Directory);
            file = Write(disk, "a", "");
            disk.FlushDirectory(Directory);
            return disk;
        }
    }

    [Fact]
    public void A_directory_whose_creation_was_cut_short_may_be_gone()
    {
        _disk.StopAt(_disk.OperationCount + 2, StopMoment.Halfway);
        Assert.Throws<SimulatedCrashException>(() => _disk.CreateDirectory("/e/f"));
        FaultyFileSystem left = _disk.Crash(CrashLoss.Everything).Disk;
        Assert.Empty(left.ListFiles("/e"));
        Assert.Throws<DirectoryNotFoundException>(() => left.ListFiles("/e/f"));
        Assert.Empty(_disk.Crash(CrashLoss.Nothing).Disk.ListFiles("/e/f"));
    }

    [Theory]
    [InlineData(FaultKind.ReadError)]
    [InlineData(FaultKind.WriteError)]
    [InlineData(FaultKind.FlushError)]
    [InlineData(FaultKind.DirectoryFlushError)]
    [InlineData(FaultKind.OpenError)]
    [InlineData(FaultKind.RenameError)]
    [InlineData(FaultKind.DeleteError)]
    [InlineData(FaultKind.DiskFull)]
    public void A_planned_fault_hits_exactly_the_nth_operation_of_its_kind(FaultKind kind)
    {
        Write(_disk, "a", "").Dispose();
        Action operation = Operation(kind);
        operation();
        _disk.Fail(kind, nth: 3);
        operation();
        operation();
        if (kind == FaultKind.DiskFull) Assert.Throws<StoreFullException>(operation);
        else Assert.Throws<IOException>(operation);
        operation();
        Assert.Equal(1, _disk.Counts[kind]);
        Assert.Equal(0, Enum.GetValues<FaultKind>().Where(other => other != kind && other != FaultKind.LostByFlush).Sum(other => _disk.Counts[other]));
    }

    [Theory]
    [InlineData(FaultKind.ReadError)]
    [InlineData(FaultKind.WriteError)]
    [InlineData(FaultKind.FlushError)]
    [InlineData(FaultKind.OpenError)]
    public void A_probable_fault_hits_about_as_often_as_asked(FaultKind kind)
    {
        Write(_disk, "a", "").Dispose();
        Action operation = Operation(kind);
        _disk.FailWithProbability(kind, 0.25);
        int failures = 0;
        for (int i = 0; i < 1000; i++) failures += Record.Exception(operation) is null ? 0 : 1;
        Assert.InRange(failures, 180, 320);
        Assert.Equal(failures, _disk.Counts[kind]);
        _disk.FailWithProbability(kind, 0);
        operation();
    }

    [Fact]
    public void A_full_disk_takes_what_fits_and_works_again_once_there_is_room()
    {
        using IFile file = Settled("a", "12345");
        _disk.CapacityBytes = 7;
        Assert.Throws<StoreFullException>(() => file.Write(4, "abcdef"u8));
        Assert.Equal("a=1234abc", Show(_disk));
        Assert.Throws<StoreFullException>(() => file.SetLength(8));
        file.Write(0, "x"u8);
        _disk.CapacityBytes = 100;
        file.Write(4, "abcdef"u8);
        Assert.Equal("a=x234abcdef", Show(_disk));
        Assert.Equal(2, _disk.Counts[FaultKind.DiskFull]);
    }

    [Fact]
    public void A_flipped_bit_is_there_for_readers_and_after_a_crash()
    {
        using IFile file = Settled("a", "hello");
        _disk.FlipBit(Directory + "/a", 1, 0);
        Assert.Equal("a=hdllo", Show(_disk));
        Assert.Equal("a=hdllo", Show(_disk.Crash(CrashLoss.Everything).Disk));
        Assert.Equal(1, _disk.Counts[FaultKind.BitFlip]);
        Assert.Throws<ArgumentOutOfRangeException>(() => _disk.FlipBit(Directory + "/a", 5, 0));
    }

    [Fact]
    public void The_same_seed_and_calls_give_the_same_states()
    {
        Assert.Equal(Run(7), Run(7));
        Assert.NotEqual(Run(7), Run(8));

        static string Run(long seed)
        {
            var disk = new FaultyFileSystem(seed);
            disk.CreateDirectory(Directory);
            disk.FailWithProbability(FaultKind.WriteError, 0.2);
            for (int i = 0; i < 20; i++)
            {
                using IFile file = disk.Open($"{Directory}/{i % 3}", FileOpenMode.ExistingOrNew);
                Record.Exception(() => file.Write(i * 300, new byte[700]));
                if (i % 7 == 0) file.Flush();
            }
            return disk.Trace + string.Join('\n', disk.CrashStates(20).Select(state => state.Description + Show(state.Disk)));
        }
    }

    [Fact]
    public void Asking_what_a_crash_leaves_changes_nothing_that_comes_after()
    {
        var other = new FaultyFileSystem(seed: 42);
        other.CreateDirectory(Directory);
        Write(_disk, "a", "hello").Dispose();
        Write(other, "a", "hello").Dispose();
        _ = _disk.CrashStates(10).ToList();
        Assert.Equal(
            other.CrashStates(30).Select(state => Show(state.Disk)),
            _disk.CrashStates(30).Select(state => Show(state.Disk)));
    }

    [Fact]
    public void The_observer_sees_every_operation_before_its_effect_and_may_stop_the_disk()
    {
        var seen = new List<string>();
        _disk.BeforeOperation = operation =>
        {
            seen.Add($"{operation.Kind}:{Show(_disk)}");
            if (operation.Kind == DiskOperationKind.Delete) _disk.Stop();
        };
        using IFile file = Write(_disk, "a", "x");
        file.Flush();
        _disk.Move("/d/a", "/d/b");
        Assert.Throws<SimulatedCrashException>(() => _disk.Delete("/d/b"));
        Assert.Equal(["Create:", "Write:a=", "Flush:a=x", "Rename:a=x", "Delete:b=x"], seen);
        Assert.Equal("b=x", Show(_disk.ProcessKill()));
    }

    [Fact]
    public void The_trace_names_operations_and_what_became_of_them()
    {
        _disk.Fail(FaultKind.WriteError, nth: 2);
        using IFile file = Write(_disk, "a", "hello");
        Assert.Throws<IOException>(() => file.Write(5, "!"u8));
        string[] lines = _disk.Trace.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        string path = Path.GetFullPath("/d/a");
        Assert.Equal([$"2 Create {path}", $"3 Write {path} [0, 5)", $"4 Write {path} [5, 6) -> Failed"], lines[1..]);
    }

    private Action Operation(FaultKind kind)
    {
        IFile file = _disk.Open("/d/a", FileOpenMode.Existing);
        bool there = true;
        return kind switch
        {
            FaultKind.ReadError => () => file.Read(0, new byte[1]),
            FaultKind.WriteError or FaultKind.DiskFull => () => file.Write(0, "x"u8),
            FaultKind.FlushError => file.Flush,
            FaultKind.DirectoryFlushError => () => _disk.FlushDirectory(Directory),
            FaultKind.OpenError => () => _disk.Open("/d/a", FileOpenMode.Existing).Dispose(),
            FaultKind.RenameError => () =>
            {
                _disk.Move(there ? "/d/a" : "/d/b", there ? "/d/b" : "/d/a");
                there = !there;
            },
            FaultKind.DeleteError => () =>
            {
                if (!_disk.FileExists("/d/a")) Write(_disk, "a", "").Dispose();
                _disk.Delete("/d/a");
            },
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };
    }

    /// <summary>A file whose name and bytes are on stable storage.</summary>
    private IFile Settled(string name, string text)
    {
        IFile file = Write(_disk, name, text);
        file.Flush();
        _disk.FlushDirectory(Directory);
        return file;
    }

    private static IFile Write(FaultyFileSystem disk, string name, string text)
    {
        IFile file = disk.Open($"{Directory}/{name}", FileOpenMode.ExistingOrNew);
        file.Write(0, Encoding.ASCII.GetBytes(text));
        return file;
    }

    /// <summary>Everything in the directory as name=text.</summary>
    private static string Show(FaultyFileSystem disk) => string.Join(' ', disk.ListFiles(Directory).Select(name =>
    {
        using IFile file = disk.Open($"{Directory}/{name}", FileOpenMode.Existing);
        var bytes = new byte[file.Length];
        Assert.Equal(bytes.Length, file.Read(0, bytes));
        return $"{name}={Encoding.ASCII.GetString(bytes)}";
    }));
}
