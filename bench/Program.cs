using System.Globalization;
using System.Text.Json;

using BenchmarkDotNet.Running;

using Tidemark.Bench;

// dotnet run -c Release --project bench -- NAME [--json] [--seconds S] [--rounds N] [--dir DIR] [--engine memory|lmdb|sqlite] [--records N] [--memory-cap MIB] [--etcd URL]
// dotnet run -c Release --project bench -- micro [BenchmarkDotNet options]
var benches = new Dictionary<string, Func<BenchOptions, IEnumerable<BenchRow>>>(StringComparer.Ordinal)
{
    ["clock"] = ClockBench.Run,
    ["crc"] = CrcBench.Run,
    ["log-append"] = LogAppendBench.Run,
    ["log-scan"] = LogScanBench.Run,
    ["log-open"] = LogOpenBench.Run,
    ["many-logs"] = ManyLogsBench.Run,
    ["tree"] = TreeBench.Run,
    ["kv-put"] = KvPutBench.Run,
    ["kv-get"] = KvReadBench.RunGet,
    ["kv-scan"] = KvReadBench.RunScan,
    ["kv-mixed"] = KvMixedBench.Run,
    ["kv-bulk"] = KvBulkBench.Run,
    ["rebase"] = RebaseBench.Run,
    ["cut"] = CutBench.RunCut,
    ["switch"] = CutBench.RunSwitch,
    ["state-hash"] = CutBench.RunStateHash,
    ["archive"] = ArchiveBench.Run,
    ["topic-append"] = TopicAppendBench.Run,
    ["topic-read"] = TopicReadBench.Run,
    ["topic-tail"] = TopicReadBench.RunTail,
    ["transport"] = TransportBench.Run,
    ["replicated-put"] = ReplicatedBench.RunPut,
    ["replicated-append"] = ReplicatedBench.RunTopic,
    ["replicated-get"] = ReplicatedBench.RunGet,
    ["failover"] = ReplicatedBench.RunFailover,
    ["rolling-restart"] = ReplicatedBench.RunRollingRestart,
};

string name = args.Length > 0 ? args[0] : "";
if (name == "micro")
{
    BenchmarkSwitcher.FromAssembly(typeof(BenchRow).Assembly).Run(args[1..]);
    return 0;
}

if (name == KvBulkBench.Loader) return KvBulkBench.Load(args[1], args[2], int.Parse(args[3], CultureInfo.InvariantCulture));

var options = new BenchOptions(
    double.Parse(Value("--seconds") ?? "10", CultureInfo.InvariantCulture),
    int.Parse(Value("--rounds") ?? "5", CultureInfo.InvariantCulture),
    Value("--dir") ?? Path.Combine(Path.GetTempPath(), "tidemark-bench"),
    int.Parse(Value("--records") ?? "10000000", CultureInfo.InvariantCulture),
    Value("--memory-cap") is { } cap ? int.Parse(cap, CultureInfo.InvariantCulture) : null,
    Value("--etcd") is { } etcd ? new Uri(etcd) : null);
if (Value("--engine") is { } engine) BenchEngine.All = [.. BenchEngine.All.Where(known => known.Name == engine)];
if (name == "footprint")
{
    await FootprintBench.RunAsync(options);
    return 0;
}

if (!benches.TryGetValue(name, out Func<BenchOptions, IEnumerable<BenchRow>>? bench))
{
    Console.Error.WriteLine($"Usage: bench NAME [--json] [--seconds S] [--rounds N] [--dir DIR] [--engine E] [--records N] [--memory-cap MIB] [--etcd URL]\nNAME: {string.Join(", ", benches.Keys.Append("footprint").Order())}, micro");
    return 2;
}

bool json = args.Contains("--json");
if (!json) Console.WriteLine($"{"name",-28} {"writers",7} {"ops/s",14} {"p50 us",10} {"p99 us",10} {"floor ops/s",14} {"ratio",6}");
foreach (BenchRow row in bench(options))
{
    Console.WriteLine(json ? Json(row) : string.Create(CultureInfo.InvariantCulture,
        $"{row.Name,-28} {row.Writers,7} {row.OpsPerSecond,14:N0} {row.P50Microseconds,10:N2} {row.P99Microseconds,10:N2} {row.FloorOpsPerSecond,14:N0} {row.Ratio,6:F2}"));
    if (json || row.Bandwidth is not { } rate) continue;
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"  {rate.Written:N0} MB/s: {rate.RatioFlushed:F2} of the disk's {rate.DiskFlushed:N0} in flushed writes of that length, {rate.RatioAtOnce:F2} of its {rate.DiskAtOnce:N0} flushed once at the end"));
}

return 0;

string? Value(string option)
{
    int at = Array.IndexOf(args, option);
    return at >= 0 && at + 1 < args.Length ? args[at + 1] : null;
}

static string Json(BenchRow row) => JsonSerializer.Serialize(new
{
    name = row.Name,
    writers = row.Writers,
    ops_per_s = Math.Round(row.OpsPerSecond, 1),
    p50_us = Math.Round(row.P50Microseconds, 3),
    p99_us = Math.Round(row.P99Microseconds, 3),
    floor_ops_per_s = Math.Round(row.FloorOpsPerSecond, 1),
    ratio = Math.Round(row.Ratio, 3),
    bandwidth = row.Bandwidth is not { } rate ? null : new
    {
        mb_per_s = Math.Round(rate.Written, 1),
        disk_flushed_mb_per_s = Math.Round(rate.DiskFlushed, 1),
        disk_at_once_mb_per_s = Math.Round(rate.DiskAtOnce, 1),
        ratio_flushed = Math.Round(rate.RatioFlushed, 3),
        ratio_at_once = Math.Round(rate.RatioAtOnce, 3),
    },
});
