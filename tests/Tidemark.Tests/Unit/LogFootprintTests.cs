using static Tidemark.Tests.LogHarness;

namespace Tidemark.Tests.Unit;

/// <summary>Counts memory of the whole process, so nothing else may run beside it.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneDefinition
{
    public const string Name = "alone";
}

[Collection(AloneDefinition.Name)]
public sealed class LogFootprintTests
{
    [Fact]
    public async Task A_thousand_idle_logs_hold_little_memory_and_few_files()
    {
        var disk = new MemoryFileSystem();
        await using LogGroup group = LogGroup.Open("/many", On(disk) with { MaxIdleFiles = 32 });
        var logs = new SegmentedLog[1000];
        for (int i = 0; i < logs.Length; i++)
        {
            logs[i] = await group.OpenLogAsync($"log{i}");
            await logs[i].AppendAsync(new byte[100]);
            await logs[i].DisposeAsync();
            logs[i] = null!;
        }

        long before = GC.GetTotalMemory(forceFullCollection: true);
        for (int i = 0; i < logs.Length; i++)
        {
            logs[i] = await group.OpenLogAsync($"log{i}");
            Assert.Equal(1, logs[i].End);
        }

        long held = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.InRange(group.OpenFileCount, 0, 32);
        Assert.InRange(held, 1000 * 500, 16 * 1024 * 1024);   // Below 500 bytes a log, something was measured wrong.

        await Task.WhenAll(logs.Select(log => log.AppendAsync(new byte[100]).AsTask()));
        Assert.All(logs, log => Assert.Equal(2, log.End));
        GC.KeepAlive(logs);
    }

    [Fact]
    public async Task Appending_and_reading_allocate_nothing_per_record()
    {
        using var folder = new TestDirectory();
        await using SegmentedLog log = await SegmentedLog.OpenAsync(Path.Combine(folder.Path, "log"), new LogOptions { Durability = LogDurability.Buffered });
        byte[] payload = new byte[100];
        for (int i = 0; i < 20_000; i++) await log.AppendAsync(payload);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        const int Count = 200_000;
        for (int i = 0; i < Count; i++) await log.AppendAsync(payload);
        long appended = GC.GetTotalAllocatedBytes(precise: true) - before;

        using LogReader reader = log.OpenReader(0);
        Assert.True(reader.TryRead(out _));
        before = GC.GetTotalAllocatedBytes(precise: true);
        while (reader.TryRead(out _)) { }
        long read = GC.GetTotalAllocatedBytes(precise: true) - before;

        Assert.True(appended < Count, $"{appended} bytes for {Count} appends");
        Assert.True(read < Count, $"{read} bytes for {Count} reads");
    }
}
