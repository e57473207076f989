using Tidemark.Testing;

namespace Tidemark.Tests.Crash;

/// <summary>Flips bits in every file of a log, opens it and reads what is left: right records or a typed refusal, never anything else.</summary>
public sealed class LogRotTests
{
    private const int Records = 34;

    private static readonly string Directory = Path.GetFullPath("/log");
    private static readonly LogOptions Options = new() { SegmentBytes = 4096 };

    [Fact]
    public async Task Any_flipped_bit_of_a_closed_log_is_harmless_or_named()
    {
        Dictionary<string, byte[]> files = await ClosedAsync();
        int step = Soak.Factor > 1 ? 1 : 7;   // A plain run takes a bit of each byte, and all eight in turn.
        int harmless = 0, named = 0;
        foreach ((string name, byte[] bytes) in files)
        {
            for (int bit = 0; bit < bytes.Length * 8; bit += step)
            {
                byte[] damaged = [.. bytes];
                damaged[bit / 8] ^= (byte)(1 << (bit % 8));
                if (await IsWholeOrNamedAsync(With(files, name, damaged), $"bit {bit % 8} of byte {bit / 8} in {name}")) harmless++;
                else named++;
            }
        }

        Assert.True(named * step > 10_000 && harmless * step > 1_000, $"{named} named, {harmless} harmless");
    }

    [Fact]
    public async Task A_flipped_bit_under_a_flush_mark_of_a_crashed_log_is_named_and_one_beyond_it_loses_no_more_than_the_last_flush()
    {
        Dictionary<string, byte[]> files = await CrashedAsync();
        var random = new Random(3);
        foreach ((string name, byte[] bytes) in files)
        {
            for (int i = 0; i < Soak.Times(1500) && bytes.Length > 0; i++)
            {
                byte[] damaged = [.. bytes];
                int at = random.Next(bytes.Length);
                damaged[at] ^= (byte)(1 << random.Next(8));
                await IsWholeOrNamedAsync(With(files, name, damaged), $"byte {at} in {name} of a crashed log", mayLose: 1);
            }
        }
    }

    private static byte[] Record(int i)
    {
        byte[] record = new byte[i % 7 == 0 ? 0 : 20 + (i * 137 % 500)];
        new Random(i).NextBytes(record);
        return record;
    }

    private static Task<Dictionary<string, byte[]>> ClosedAsync() => MakeAsync(close: true);

    private static Task<Dictionary<string, byte[]>> CrashedAsync() => MakeAsync(close: false);

    private static async Task<Dictionary<string, byte[]>> MakeAsync(bool close)
    {
        var disk = new MemoryFileSystem();
        SegmentedLog log = await SegmentedLog.OpenAsync(Directory, Options, LogHarness.On(disk));
        for (int i = 0; i < Records; i++) await log.AppendAsync(Record(i));
        if (close) await log.DisposeAsync();
        Dictionary<string, byte[]> files = [];
        foreach (string name in disk.ListFiles(Directory).Where(name => !name.EndsWith(".tmp", StringComparison.Ordinal)))
        {
            using IFile file = disk.Open(Path.Combine(Directory, name), FileOpenMode.Existing);
            files[name] = new byte[file.Length];
            file.Read(0, files[name]);
        }

        if (!close) await log.DisposeAsync();
        Assert.True(files.Count >= 6);
        return files;
    }

    private static Dictionary<string, byte[]> With(Dictionary<string, byte[]> files, string name, byte[] bytes) => new(files) { [name] = bytes };

    /// <summary>Opens, reads and verifies. True: all is there. False: an error named a file. Anything else fails the test.</summary>
    private static async Task<bool> IsWholeOrNamedAsync(Dictionary<string, byte[]> files, string story, int mayLose = 0)
    {
        var disk = new MemoryFileSystem();
        disk.CreateDirectory(Directory);
        foreach ((string name, byte[] bytes) in files)
        {
            using IFile file = disk.Open(Path.Combine(Directory, name), FileOpenMode.New);
            file.Write(0, bytes);
        }

        int found = 0;
        try
        {
            await using SegmentedLog log = await SegmentedLog.OpenAsync(Directory, Options, LogHarness.On(disk));
            using LogReader reader = log.OpenReader(log.Start);
            while (reader.TryRead(out LogRecord record))
            {
                Assert.True(record.Offset == found && record.Payload.Span.SequenceEqual(Record(found)), $"{story}: a wrong record at {record.Offset}");
                found++;
            }

            Assert.True(found >= Records - mayLose, $"{story}: only {found} records, and nobody said so");
            LogVerification verified = log.Verify();
            if (verified.IsWhole) return true;
            Assert.False(string.IsNullOrEmpty(verified.Damage[0].File));
            return false;
        }
        catch (Exception e) when (e is CorruptDataException or FormatMismatchException)
        {
            Assert.Contains(Directory, e.Message, StringComparison.Ordinal);
            return false;
        }
        catch (Exception e) when (e is not Xunit.Sdk.XunitException)
        {
            throw new Xunit.Sdk.XunitException($"{story}, after {found} records: {e}");
        }
    }
}
