using Tidemark.Tests;

namespace Tidemark.Integration;

/// <summary>Makes system calls of a real process fail, and watches the order of those that do not.</summary>
public sealed class StraceTests
{
    private const string Renames = "?rename,?renameat,?renameat2";

    private static readonly (string Call, string Error, int Most)[] Failures =
    [
        ("fdatasync", "EIO", 20),
        ("fsync", "EIO", 8),
        ("pwrite64", "EIO", 20),
        (Renames, "EIO", 6),
        ("fdatasync", "ENOSPC", 4),
        ("fsync", "ENOSPC", 3),
        ("pwrite64", "ENOSPC", 12),
        (Renames, "ENOSPC", 4),
    ];

    /// <summary>
    /// The error is strace's alone: the bytes are in the page cache and read well afterwards, so finding them again proves nothing about an
    /// acknowledgement that came too late. The trace does: with one writer, whatever it says after the failed call, it says in spite of it.
    /// </summary>
    [ExternalFact("strace")]
    public async Task No_acknowledgement_follows_a_call_that_failed_and_what_was_acknowledged_before_is_there()
    {
        int hits = 0, ended = 0;
        foreach ((string call, string error, int most) in Failures)
        {
            for (int nth = 1; nth <= most * Repeats; nth++)
            {
                string story = $"{call} number {nth} of a thread fails with {error}";
                using var folder = new LabFolder();
                using Lab writer = await TraceAsync(folder, ["-e", $"trace={call},write", "-e", $"inject={call}:error={error}:when={nth}"],
                    "log-write", folder.Log, "1", "120", "--segment-bytes", "32768", "--writers", "1");
                List<TracedCall> calls = StraceTrace.Read(folder.At("trace"));
                TracedCall? failed = calls.Find(traced => traced.IsInjected);
                if (failed is null) break;
                hits++;

                string[] late = [.. calls.Where(traced => traced.Started > failed.Ended && IsAck(traced)).Select(traced => traced.Line!)];
                if (MayGoOn(failed, error))
                {
                    Assert.True(writer.ExitCode is 0 or 3, $"{story}: exit code {writer.ExitCode}, {writer.Errors}");
                }
                else
                {
                    ended++;
                    Assert.True(late.Length == 0, $"{story}, {failed}: {string.Join(' ', late)} followed");
                    Assert.True(writer.ExitCode is 2 or 3, $"{story}, {failed}: exit code {writer.ExitCode}");
                    Assert.NotEmpty(writer.Errors);
                }

                var history = new LabHistory();
                history.Add(writer);
                using Lab verifier = await Lab.RunAsync("log-verify", folder.Log);
                Assert.True(verifier.ExitCode == 0, $"{story}: {verifier.Errors}");
                history.Check(verifier.Lines, story);
            }
        }

        Assert.True(hits >= 60 && ended >= 45, $"{hits} calls failed, {ended} of them had to end the run");
    }

    [ExternalFact("strace")]
    public async Task Every_acknowledgement_follows_a_flush_of_a_segment_that_began_after_its_try()
    {
        (List<TracedCall> calls, _) = await WatchAsync();
        TracedCall[] flushes = [.. calls.Where(call => call is { Name: "fdatasync", Succeeded: true } && call.Path.EndsWith(".log", StringComparison.Ordinal))];
        Dictionary<string, int> tried = calls.Where(call => IsLine(call, "try ")).ToDictionary(call => call.Line![4..], call => call.Started);
        int acknowledged = 0;
        foreach (TracedCall ack in calls.Where(IsAck))
        {
            int begun = tried[ack.Line![4..]];
            Assert.True(Array.Exists(flushes, flush => flush.Started > begun && flush.Ended < ack.Started), $"{ack.Line} came without a flush");
            acknowledged++;
        }

        Assert.Equal(tried.Count, acknowledged);
        Assert.Equal(400, acknowledged);
    }

    [ExternalFact("strace")]
    public async Task Every_new_name_follows_a_flush_of_its_file_and_is_flushed_before_anything_relies_on_it()
    {
        (List<TracedCall> calls, string directory) = await WatchAsync();
        TracedCall[] renames = [.. calls.Where(call => call.Name.StartsWith("rename", StringComparison.Ordinal) && call.Succeeded)];
        foreach (TracedCall rename in renames)
        {
            (string from, string to) = rename.Names;
            TracedCall? written = calls.FindLast(call => call.Name is "pwrite64" or "ftruncate" && call.Ended < rename.Started && call.Path == from);
            Assert.NotNull(written);
            Assert.True(calls.Exists(call => IsFlush(call, "fdatasync", from) && call.Started > written.Ended && call.Ended < rename.Started),
                $"{to} got its name before its bytes were flushed");

            TracedCall? flushed = calls.Find(call => IsFlush(call, "fsync", directory) && call.Started > rename.Ended);
            Assert.NotNull(flushed);
            TracedCall? relied = calls.Find(call => call.Started > rename.Ended && call.Started < flushed.Ended
                && ((IsAck(call) && NumberOf(call) >= FirstOffsetIn(to)) || (call.Name == "pwrite64" && call.Path == to)));
            Assert.True(relied is null, $"the name {to} was relied on before its directory was flushed: {relied}");
        }

        int segments = renames.Count(call => call.Names.To.EndsWith(".log", StringComparison.Ordinal));
        int manifests = renames.Count(call => call.Names.To.EndsWith("manifest", StringComparison.Ordinal));
        Assert.True(segments >= 5 && manifests >= 2, $"{segments} segments, {manifests} manifests");
    }

    [ExternalFact("strace")]
    public async Task The_names_of_new_directories_are_flushed_before_anything_is_acknowledged()
    {
        (List<TracedCall> calls, string directory) = await WatchAsync();
        int first = calls.Find(IsAck)!.Started;
        TracedCall[] made = [.. calls.Where(call => call is { Name: "mkdir" or "mkdirat", Succeeded: true } && directory.StartsWith(call.Path, StringComparison.Ordinal))];
        Assert.Equal(2, made.Length);
        foreach (TracedCall directoryMade in made)
        {
            string parent = Path.GetDirectoryName(directoryMade.Path)!;
            Assert.True(calls.Exists(call => IsFlush(call, "fsync", parent) && call.Started > directoryMade.Ended && call.Ended < first), $"{parent} was not flushed");
        }
    }

    /// <summary>The number in the name that was acknowledged: in a first round also the record's offset.</summary>
    private static long NumberOf(TracedCall ack) => long.Parse(ack.Line!.AsSpan(ack.Line!.LastIndexOf('-') + 1), System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>The first record that stands in a file of that name: those before it may be acknowledged while it is being made.</summary>
    private static long FirstOffsetIn(string path) =>
        long.TryParse(Path.GetFileNameWithoutExtension(path), System.Globalization.CultureInfo.InvariantCulture, out long first) ? first : 0;

    private static int Repeats { get; } = Soak.Factor > 1 ? 3 : 1;

    /// <summary>
    /// A failure that nothing depends on: of an index, which is made again when missing, or a lack of room, which is refused where it is met ahead of use.
    /// </summary>
    private static bool MayGoOn(TracedCall failed, string error) =>
        failed.Path.EndsWith(".index", StringComparison.Ordinal) || (error == "ENOSPC" && failed.Name == "pwrite64" && !failed.Path.EndsWith(".lock", StringComparison.Ordinal)
            && !failed.Path.EndsWith("manifest.tmp", StringComparison.Ordinal));

    /// <summary>Runs the lab to its end with all that matters traced; the log's directory has a parent that is missing too.</summary>
    private static async Task<(List<TracedCall> Calls, string Directory)> WatchAsync()
    {
        using var folder = new LabFolder();
        string directory = Path.Combine(folder.Log, "inner");
        using Lab writer = await TraceAsync(folder, ["-e", $"trace=fdatasync,fsync,{Renames},?mkdir,?mkdirat,pwrite64,ftruncate,write"],
            "log-write", directory, "1", "400", "--segment-bytes", "65536");
        Assert.True(writer.ExitCode == 0, writer.Errors);
        return (StraceTrace.Read(folder.At("trace")), directory);
    }

    private static async Task<Lab> TraceAsync(LabFolder folder, string[] strace, params string[] arguments)
    {
        Lab lab = Lab.StartTraced(folder.At("trace"), ["-y", "-s", "40", "-e", "signal=none", .. strace], arguments);
        await lab.WaitAsync();
        return lab;
    }

    private static bool IsAck(TracedCall call) => IsLine(call, "ack ");

    private static bool IsLine(TracedCall call, string start) => call.Line is { } line && line.StartsWith(start, StringComparison.Ordinal);

    private static bool IsFlush(TracedCall call, string name, string path) => call.Name == name && call.Succeeded && call.Path == path;
}
