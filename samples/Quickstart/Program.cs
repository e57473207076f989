// The main job in one file: real records go durably into a sharded set of logs and come back by offset, by time and backwards;
// then the same table becomes a key-value store.
//   dotnet run --project samples/Quickstart -c Release [-- --input FILE] [--shards N] [--data DIR]
using System.Diagnostics;
using System.Globalization;
using System.Text;

using Quickstart;

using Spectre.Console;

using Tidemark;

string? given = Option("--input");
string[] inputs = given is not null ? [given] : [Shipped("zone1970.tab"), Shipped("iso3166.tab")];
int shardCount = int.Parse(Option("--shards") ?? "4", CultureInfo.InvariantCulture);
string data = Option("--data") ?? Directory.CreateTempSubdirectory("tidemark-quickstart-").FullName;
if (inputs.FirstOrDefault(input => !File.Exists(input)) is { } missing)
{
    Console.Error.WriteLine($"There is no file '{missing}'.");
    return 2;
}

try
{
    // 1. A clock that never goes back stamps the records; a router finds each record's shard by its content; a group holds the shards' logs.
    var clock = new HybridClock(TimeProvider.System);
    var router = HashRangeRouter.CreateEven(shardCount);
    Say("Input", $"{string.Join(" and ", inputs.Select(Path.GetFileName))} into {shardCount} shards under {data}");

    // 2. Every record is appended durably. Appends in flight share flushes, so many at once cost little more than one.
    await using (LogGroup group = LogGroup.Open(data))
    {
        SegmentedLog[] shards = await OpenAllAsync(group, clock);
        (long records, long bytes, TimeSpan time) = await AppendAllAsync(shards, router);
        Say("Appended", $"{records:N0} records, {Size(bytes)}, each on the disk before it counted, in {time.TotalSeconds:F2} s: {records / time.TotalSeconds:N0} records/s");
        FileInfo[] files = [.. new DirectoryInfo(data).GetFiles("*", SearchOption.AllDirectories)];
        Say("On disk", $"{files.Length} files, {Size(files.Sum(file => file.Length))} (filled ahead, so that flushes are fast)");
    }

    // 3. Open again, check every byte, and read in all the ways there are.
    await using (LogGroup group = LogGroup.Open(data))
    {
        long begin = Stopwatch.GetTimestamp();
        SegmentedLog[] shards = await OpenAllAsync(group, clock);
        TimeSpan opened = Stopwatch.GetElapsedTime(begin);
        LogVerification[] verified = [.. shards.Select(shard => shard.Verify())];
        Say("Reopened", $"in {opened.TotalMilliseconds:F0} ms, {(shards.All(s => s.Recovery.WasClosedCleanly) ? "closed cleanly" : "after a crash")}; "
            + $"verified {verified.Sum(v => v.Records):N0} records, {(verified.All(v => v.IsWhole) ? "every checksum fits" : "DAMAGED")}");

        SegmentedLog log = shards.MaxBy(shard => shard.End)!;
        string name = Path.GetFileName(log.Directory);
        using LogReader reader = log.OpenReader(log.Start + ((log.End - log.Start) / 2));
        if (reader.TryRead(out LogRecord middle)) Say("By offset", $"{name} @ {Show(middle)}");
        HybridTimestamp noon = middle.Timestamp;
        using LogReader byTime = log.OpenReader(log.FindOffset(noon.Next()));
        if (byTime.TryRead(out LogRecord later)) Say("By time", $"after {noon.Physical:HH:mm:ss.ffffff}: {name} @ {Show(later)}");
        using LogReader back = log.OpenReader(log.End);
        for (int i = 0; i < 3 && back.TryReadBack(out LogRecord last); i++) Say(i == 0 ? "Backwards" : "", $"{name} @ {Show(last)}");

        // 4. And if the power had failed in the middle of an append?
        long acknowledged = log.End - log.Start;
        TornTail.Result torn = await TornTail.TryAsync(log, Path.Combine(data, "..", Path.GetFileName(data) + "-torn"));
        Say("Torn tail", $"power cut in the middle of one more append (4 KiB, on a copy): opened by itself in {torn.OpenTime.TotalMilliseconds:F0} ms, "
            + $"{torn.Report.CutBytes:N0} bytes cut, {torn.RecordsKept:N0} of {acknowledged:N0} acknowledged records there");
        await log.TruncateAfterAsync(log.Start + acknowledged - 1);
    }

    // 5. The same table as a key-value store: hierarchical keys, indexes, sessions, watches.
    if (given is null) await StoreTour.RunAsync(data + "-store", Shipped("zone1970.tab"), Say);
    if (given is null) await ClusterTour.RunAsync(Shipped("zone1970.tab"), Say);

    // 6. The log is cut: the disk comes back, and who has a copy goes on.
    if (given is null) await CutTour.RunAsync(data + "-cut", Shipped("zone1970.tab"), Say);
    return 0;
}
catch (TidemarkException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
finally
{
    if (Option("--data") is null) Directory.Delete(data, recursive: true);
    foreach (string beside in (string[])["-torn", "-store", "-store-backup", "-store-restored", "-cut"])
    {
        if (Directory.Exists(data + beside)) Directory.Delete(data + beside, recursive: true);
    }
}

async Task<SegmentedLog[]> OpenAllAsync(LogGroup group, HybridClock clock)
{
    var shards = new SegmentedLog[shardCount];
    for (int i = 0; i < shardCount; i++) shards[i] = await group.OpenLogAsync($"shard-{i}", new LogOptions { ShardId = i, Clock = clock });
    return shards;
}

async Task<(long Records, long Bytes, TimeSpan Time)> AppendAllAsync(SegmentedLog[] shards, HashRangeRouter router)
{
    const int MostInFlight = 1024;
    long records = 0, bytes = 0, begin = Stopwatch.GetTimestamp();
    var inFlight = new Queue<Task<long>>();
    IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
    await console.Progress().AutoClear(true).StartAsync(async progress =>
    {
        foreach (string input in inputs)
        {
            using var reader = new RecordReader(input);
            ProgressTask bar = progress.AddTask(Path.GetFileName(input), maxValue: Math.Max(1, reader.Length));
            while (reader.TryRead(out ReadOnlyMemory<byte> record))
            {
                inFlight.Enqueue(shards[router.Route(record.Span)].AppendAsync(record).AsTask());
                if (inFlight.Count == MostInFlight) await inFlight.Dequeue();
                records++;
                bytes += record.Length;
                bar.Value = reader.BytesRead;
            }

            bar.Value = bar.MaxValue;
        }

        while (inFlight.TryDequeue(out Task<long>? append)) await append;
    });
    return (records, bytes, Stopwatch.GetElapsedTime(begin));
}

string? Option(string name)
{
    int at = Array.IndexOf(args, name);
    return at >= 0 && at + 1 < args.Length ? args[at + 1] : null;
}

static string Shipped(string name) => Path.Combine(AppContext.BaseDirectory, "data", name);

static void Say(string what, string text) => Console.WriteLine($"{what,-10} {text}");

static string Size(long bytes) => bytes < 1024 ? $"{bytes} bytes" : bytes < 1024 * 1024 ? $"{bytes / 1024.0:F1} KiB" : $"{bytes / 1024.0 / 1024.0:F1} MiB";

static string Show(LogRecord record)
{
    string text = Encoding.UTF8.GetString(record.Payload.Span).ReplaceLineEndings(" ").Replace('\t', ' ');
    return $"{record.Offset}: {(text.Length > 60 ? text[..60] + "..." : text)}";
}
