using System.Buffers;
using System.Diagnostics;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Rebase;
using Tidemark.Core.State;
using Tidemark.Replication.Rebase;

namespace Tidemark.Bench;

/// <summary>What it costs to cut logs: for those who write meanwhile, and for those who have a copy.</summary>
internal static class CutBench
{
    private const int ValueBytes = 1024;
    private const int Writers = 16;

    private static readonly int[] _mebibytes = [1, 16, 64, 256];

    /// <summary>Durable puts of 1 KiB by 16 writers over states of several sizes: <c>none</c> while nobody cuts, which is the floor of both, and <c>cut</c> with a cut every quarter of a second. Then how fast log goes where nobody writes,
    /// from the call until it is gone, in MiB a second: beside a file as long as the state, which is written and flushed meanwhile.</summary>
    public static IEnumerable<BenchRow> RunCut(BenchOptions options)
    {
        foreach (int size in _mebibytes[..^1])
        {
            foreach (BenchRow row in CutAsync(options, size).GetAwaiter().GetResult()) yield return row;
            yield return CompactAsync(options, size).GetAwaiter().GetResult();
        }
    }

    /// <summary>A copy whose server has cut its log asks what is new, with the bytes of the answer in the name; beside it the download of the whole copy.</summary>
    public static IEnumerable<BenchRow> RunSwitch(BenchOptions options) => _mebibytes.Select(size => SwitchAsync(options, size).GetAwaiter().GetResult());

    /// <summary>What the state's hash adds to a put: one row taken out and one added, beside a put that is applied to a state in memory, hash and all.</summary>
    public static IEnumerable<BenchRow> RunStateHash(BenchOptions options)
    {
        foreach (int bytes in (int[])[16, 100, 1024, 16 * 1024]) yield return Hash(options, bytes);
    }

    private static async Task<BenchRow[]> CutAsync(BenchOptions options, int mebibytes)
    {
        using var place = new BenchPlace(options, "cut");
        await using TidemarkStore store = await FillAsync(place.At("store"), mebibytes);
        Samples none = new(), cut = new();
        TimeSpan time = TimeSpan.FromSeconds(options.Seconds / options.Rounds / 2);
        Random[] random = [.. Enumerable.Range(0, Writers).Select(writer => new Random(writer))];
        byte[] value = new byte[ValueBytes];
        for (int round = 0; round < options.Rounds; round++)
        {
            await none.RunAsync(Writers, time, PutAsync);
            using var stop = new CancellationTokenSource();
            Task cutting = CutAsync(store, stop.Token);
            await cut.RunAsync(Writers, time, PutAsync);
            await stop.CancelAsync();
            await cutting;
        }

        return [none.ToRow($"cut-none-{mebibytes}MiB", Writers, none), cut.ToRow($"cut-cut-{mebibytes}MiB", Writers, none)];

        async ValueTask PutAsync(int writer) => await store.PutAsync(BenchKeys.Of(random[writer].Next(mebibytes * 1024)), value);
    }

    private static async Task<BenchRow> CompactAsync(BenchOptions options, int mebibytes)
    {
        using var place = new BenchPlace(options, "cut");
        await using TidemarkStore store = await FillAsync(place.At("store"), mebibytes, segmentBytes: 256 * 1024);
        Samples cut = new(), floor = new();
        await store.CompactAsync();
        for (int round = 0; round < options.Rounds; round++)
        {
            await FillAsync(store, mebibytes);
            (long start, long begin) = (store.GetHealth().Shards[0].LogStart, Stopwatch.GetTimestamp());
            await store.CompactAsync();
            while (store.GetHealth().Shards[0].LogStart == start) await Task.Delay(1);
            cut.Add(mebibytes, Stopwatch.GetElapsedTime(begin));
            floor.Add(mebibytes, BareDisk.WriteAtOnce(place.At("bare"), mebibytes * 1024L * 1024));
        }

        return cut.ToRow($"cut-compact-{mebibytes}MiB", 1, floor);
    }

    private static async Task CutAsync(TidemarkStore store, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await store.CompactAsync(CancellationToken.None);
            await Task.Delay(250, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static async Task<BenchRow> SwitchAsync(BenchOptions options, int mebibytes)
    {
        using var place = new BenchPlace(options, "switch");
        await using TidemarkStore store = await FillAsync(place.At("store"), mebibytes);
        ISyncRoute route = store.SyncRoute!;
        Samples download = new(), switched = new();
        long bytes = 0;
        for (int round = 0; round < options.Rounds; round++)
        {
            long begin = Stopwatch.GetTimestamp();
            SyncPosition position = await DownloadAsync(route);
            TimeSpan whole = Stopwatch.GetElapsedTime(begin);
            await store.PutAsync("one more", new byte[16]);
            await store.CompactAsync();
            await store.CompactAsync();
            begin = Stopwatch.GetTimestamp();
            var output = new ArrayBufferWriter<byte>();
            SyncAnswer answer = await route.PullAsync(new SyncPull(Guid.Empty, position, null, int.MaxValue), default);
            SyncCodec.Write(output, answer);
            TimeSpan one = Stopwatch.GetElapsedTime(begin);
            if (answer is not SyncChanges { Bound: null, Rows.Count: 1 }) throw new InvalidOperationException("The copy was not proved.");
            bytes = Math.Max(bytes, output.WrittenCount);
            download.Add(1, whole);
            switched.Add(1, one);
        }

        return switched.ToRow($"switch-{mebibytes}MiB-{bytes}B", 1, download);
    }

    private static async Task<SyncPosition> DownloadAsync(ISyncRoute route)
    {
        (SyncPosition? position, byte[]? bound) = ((SyncPosition?)null, (byte[]?)[]);
        while (bound is not null)
        {
            var changes = (SyncChanges)await route.PullAsync(new SyncPull(Guid.Empty, position, bound, 1 << 20), default);
            var output = new ArrayBufferWriter<byte>();
            SyncCodec.Write(output, changes);
            (position, bound) = (changes.Position, changes.Bound);
        }

        return position!.Value;
    }

    private static BenchRow Hash(BenchOptions options, int bytes)
    {
        Samples ours = new(), floor = new();
        byte[] value = new byte[bytes];
        byte[][] keys = [.. Enumerable.Range(0, 1024).Select(number => RowKeys.Record(BenchKeys.Of(number).Span))];
        byte[][] commands = [.. Enumerable.Range(0, 1024).Select(number =>
        {
            var output = new ArrayBufferWriter<byte>();
            CommandWriter.WritePut(output, null, BenchKeys.Of(number).Span, value, default);
            return output.WrittenSpan.ToArray();
        })];
        using var machine = new KvMachine(StorageEngine.Memory.Open(""), new KvIdentity(Guid.NewGuid(), 0));
        var settings = new ArrayBufferWriter<byte>();
        KvSettings.Of(new NamespaceOptions { MaxValueBytes = 1 << 20 }).Write(settings);
        long offset = 0;
        Apply(KvCommand.Configure, settings.WrittenMemory);
        StateHash hash = default;
        for (int round = 0; round < options.Rounds; round++)
        {
            Repeat(floor, number => Apply(KvCommand.Write, commands[number]));
            Repeat(ours, number => hash = hash.With(keys[number], value).Without(keys[number], value));
        }

        return hash == default ? ours.ToRow($"state-hash-{bytes}B", 1, floor) : throw new InvalidOperationException("What was added was not taken out.");

        void Repeat(Samples samples, Action<int> act)
        {
            long begin = Stopwatch.GetTimestamp(), until = begin + (long)(options.Seconds / options.Rounds / 2 * Stopwatch.Frequency), count = 0;
            while (Stopwatch.GetTimestamp() < until)
            {
                for (int i = 0; i < 1024; i++) act(i);
                count += 1024;
            }

            TimeSpan elapsed = Stopwatch.GetElapsedTime(begin);
            samples.Add(count, elapsed);
        }

        void Apply(KvCommand command, ReadOnlyMemory<byte> payload) =>
            machine.Apply(new StateEntry(new StatePosition(1, offset++, new HybridTimestamp((ulong)offset << 16)), (ushort)command, payload), new ArrayBufferWriter<byte>(64));
    }

    private static async Task<TidemarkStore> FillAsync(string directory, int mebibytes, long segmentBytes = 64 * 1024 * 1024)
    {
        TidemarkStore store = await TidemarkStore.OpenAsync(directory, new TidemarkStoreOptions { LogSegmentBytes = segmentBytes });
        await FillAsync(store, mebibytes);
        return store;
    }

    /// <summary>Puts 1,024 records of 1 KiB for each MiB.</summary>
    internal static async Task FillAsync(TidemarkStore store, int mebibytes)
    {
        byte[] value = new byte[ValueBytes];
        new Random(1).NextBytes(value);
        await Parallel.ForAsync(0, mebibytes * 1024, new ParallelOptions { MaxDegreeOfParallelism = 64 }, async (number, stop) => await store.PutAsync(BenchKeys.Of(number), value, null, stop));
    }
}
