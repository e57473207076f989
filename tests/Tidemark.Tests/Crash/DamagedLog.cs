namespace Tidemark.Tests.Crash;

/// <summary>The files of a log at one moment, to be damaged in copies, and the records it held then.</summary>
internal sealed class DamagedLog
{
    internal static readonly string Directory = Path.GetFullPath("/log");
    internal static readonly LogOptions Options = new() { SegmentBytes = 4096 };

    private readonly List<byte[]> _records = [];
    private readonly List<HybridTimestamp> _stamps = [];
    private readonly Dictionary<string, byte[]> _files = new(StringComparer.Ordinal);

    private DamagedLog()
    {
    }

    internal IReadOnlyDictionary<string, byte[]> Files => _files;

    internal int Count => _records.Count;

    internal string LastSegment => Segments[^1];

    internal string[] Segments => [.. _files.Keys.Where(name => name.EndsWith(".log", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    /// <summary>Appends records one by one and takes the files: after closing, or as a crash of the process would leave them.</summary>
    internal static async Task<DamagedLog> MakeAsync(bool isClosed, IEnumerable<byte[]> records, LogDurability durability = default, int flushAfter = 0)
    {
        var made = new DamagedLog();
        var disk = new MemoryFileSystem();
        SegmentedLog log = await SegmentedLog.OpenAsync(Directory, Options with { Durability = durability }, LogHarness.On(disk));
        foreach (byte[] record in records)
        {
            await log.AppendAsync(record);
            made._records.Add(record);
            if (made.Count == flushAfter) await log.FlushAsync();
        }

        await foreach (LogRecord record in log.ReadAsync(0)) made._stamps.Add(record.Timestamp);
        if (isClosed) await log.DisposeAsync();
        foreach (string name in disk.ListFiles(Directory))
        {
            using IFile file = disk.Open(Path.Combine(Directory, name), FileOpenMode.Existing);
            made._files[name] = new byte[file.Length];
            file.Read(0, made._files[name]);
        }

        await log.DisposeAsync();
        return made;
    }

    /// <summary>Records of a few lengths, none among them, that differ from each other in every byte they can.</summary>
    internal static byte[] Record(int number, int length)
    {
        byte[] record = new byte[length];
        new Random(number).NextBytes(record);
        return record;
    }

    /// <summary>Where the records of a segment end, oldest first.</summary>
    internal List<long> EndsIn(string segment)
    {
        List<long> ends = [];
        ReadOnlySpan<byte> bytes = _files[segment];
        for (int at = 80; at + 48 <= bytes.Length && bytes[at + 42] == 1;)
        {
            int length = BitConverter.ToInt32(bytes[(at + 12)..]);
            at += 48 + (length == 0 ? 0 : (length + 8) & ~7);
            ends.Add(at);
        }

        return ends;
    }

    internal Dictionary<string, byte[]> Without(string name)
    {
        var left = new Dictionary<string, byte[]>(_files);
        left.Remove(name);
        return left;
    }

    internal Dictionary<string, byte[]> With(string name, byte[] bytes) => new(_files) { [name] = bytes };

    /// <summary>Opens damaged files and reads what is left in every way there is. Each reading gives right records or a refusal that names a file.</summary>
    /// <param name="files">What the directory holds.</param>
    /// <param name="atLeast">So many records must be left where the log opens.</param>
    /// <param name="story">What was done, for the failure.</param>
    /// <returns>The records left, or -1 where the log was refused as a whole or to one of its readers.</returns>
    internal async Task<int> ReadAsync(Dictionary<string, byte[]> files, int atLeast, string story)
    {
        var disk = new MemoryFileSystem();
        disk.CreateDirectory(Directory);
        foreach ((string name, byte[] bytes) in files)
        {
            using IFile file = disk.Open(Path.Combine(Directory, name), FileOpenMode.New);
            file.Write(0, bytes);
        }

        SegmentedLog? log = null;
        try
        {
            bool isWhole = await GoesWellAsync(async () => log = await SegmentedLog.OpenAsync(Directory, Options, LogHarness.On(disk)));
            if (log is null) return -1;
            Assert.True(log.Start == 0 && log.End >= atLeast && log.End <= Count, $"[{log.Start}, {log.End}) is left, and nobody said so");
            isWhole &= await GoesWellAsync(() => Forwards(log));
            isWhole &= await GoesWellAsync(() => Backwards(log));
            for (long offset = 0; offset < log.End; offset++)
            {
                long from = offset;
                isWhole &= await GoesWellAsync(() => FromAnOffset(log, from));
                isWhole &= await GoesWellAsync(() => Assert.Equal(from, log.FindOffset(_stamps[(int)from])));
            }

            LogVerification verified = log.Verify();
            Assert.True(verified.IsWhole == isWhole, $"a reader met damage: {!isWhole}; Verify found: {string.Join("; ", verified.Damage.Select(damage => damage.Message))}");
            return isWhole ? (int)log.End : -1;
        }
        catch (Exception e)
        {
            throw new Xunit.Sdk.XunitException($"{story}: {e}");
        }
        finally
        {
            if (log is not null) await log.DisposeAsync();
        }
    }

    private void Forwards(SegmentedLog log)
    {
        using LogReader reader = log.OpenReader(0);
        for (long offset = 0; offset < log.End; offset++)
        {
            Assert.True(reader.TryRead(out LogRecord record), $"the reading ends at {offset} of {log.End}");
            IsRight(record, offset);
        }

        Assert.False(reader.TryRead(out _));
    }

    private void Backwards(SegmentedLog log)
    {
        using LogReader reader = log.OpenReader(log.End);
        for (long offset = log.End - 1; offset >= 0; offset--)
        {
            Assert.True(reader.TryReadBack(out LogRecord record), $"the reading back ends at {offset} of {log.End}");
            IsRight(record, offset);
        }

        Assert.False(reader.TryReadBack(out _));
    }

    private void FromAnOffset(SegmentedLog log, long offset)
    {
        using LogReader reader = log.OpenReader(offset);
        Assert.True(reader.TryRead(out LogRecord record));
        IsRight(record, offset);
        Assert.True(reader.TryReadBack(out LogRecord again));
        IsRight(again, offset);
    }

    private void IsRight(LogRecord record, long offset) => Assert.True(
        record.Offset == offset && record.Timestamp == _stamps[(int)offset] && record.Payload.Span.SequenceEqual(_records[(int)offset]),
        $"at offset {offset} a wrong record was given: offset {record.Offset}, {record.Payload.Length} bytes");

    /// <summary>True where the reading went well, false where it was refused as it may be.</summary>
    private static async Task<bool> GoesWellAsync(Func<Task> read)
    {
        try
        {
            await read();
            return true;
        }
        catch (Exception e) when (e is CorruptDataException or FormatMismatchException)
        {
            Assert.Contains(Directory, e.Message, StringComparison.Ordinal);
            return false;
        }
    }

    private static Task<bool> GoesWellAsync(Action read) => GoesWellAsync(() =>
    {
        read();
        return Task.CompletedTask;
    });
}
