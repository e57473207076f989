using Tidemark.Core.Topics;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Topics;
using Tidemark.Testing;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Tests.Topics;

public class PartitionTests
{
    [Fact]
    public async Task Messages_are_read_from_every_position_forwards_and_backwards()
    {
        await using PartitionHarness harness = await PartitionHarness.OpenAsync(new MemoryFileSystem());
        Assert.Empty(await harness.ReadAsync(TopicPosition.First));
        Assert.Equal(0, (await harness.AppendAsync("a", "b")).Offset);
        Assert.Equal(2, (await harness.AppendAsync("c")).Offset);
        AppendResult last = await harness.AppendAsync("d", "e", "f");
        Assert.Equal((AppendStatus.Appended, 3, 3, 3), (last.Status, last.Partition, (int)last.Offset, last.Count));

        Assert.Equal(["0:a", "1:b", "2:c", "3:d", "4:e", "5:f"], await harness.ReadAsync(TopicPosition.First));
        Assert.Equal(["1:b", "2:c"], await harness.ReadAsync(TopicPosition.At(1), new TopicReadOptions { MaxMessages = 2 }));
        Assert.Equal(["3:d", "4:e", "5:f"], await harness.ReadAsync(TopicPosition.At(3)));
        Assert.Equal(["5:f"], await harness.ReadAsync(TopicPosition.Last(1)));
        Assert.Equal(6, (await harness.ReadAsync(TopicPosition.Last(100))).Length);
        Assert.Empty(await harness.ReadAsync(TopicPosition.End));
        Assert.Equal(["3:d", "4:e", "5:f"], await harness.ReadAsync(TopicPosition.AtTime(last.Timestamp)));
        Assert.Empty(await harness.ReadAsync(TopicPosition.AtTime(new HybridTimestamp(last.Timestamp.Value + 1))));
        var back = new TopicReadOptions { Reverse = true };
        Assert.Equal(["5:f", "4:e", "3:d", "2:c", "1:b", "0:a"], await harness.ReadAsync(TopicPosition.End, back));
        Assert.Equal(["3:d", "2:c"], await harness.ReadAsync(TopicPosition.At(4), back with { MaxMessages = 2 }));
        Assert.Empty(await harness.ReadAsync(TopicPosition.First, back));
        OffsetOutOfRangeException beyond = await Assert.ThrowsAsync<OffsetOutOfRangeException>(async () => await harness.ReadAsync(TopicPosition.At(7)));
        Assert.Equal((0L, 6L), (beyond.Start, beyond.End));
        Assert.Equal(6, (await harness.ReadAsync(TopicPosition.At(7), new TopicReadOptions { OutOfRange = OutOfRangePolicy.First })).Length);
    }

    [Fact]
    public async Task A_message_comes_back_with_all_its_parts()
    {
        await using PartitionHarness harness = await PartitionHarness.OpenAsync(new MemoryFileSystem());
        var produced = new DateTimeOffset(2001, 2, 3, 4, 5, 6, TimeSpan.FromHours(2)).AddMicroseconds(7);
        MessageHeader[] headers = [new("a", new byte[] { 1 }), new("b", default), new("a", new byte[] { 2, 3 })];
        var message = new TopicMessage(new byte[] { 9, 8 }) { Id = Guid.Parse("00112233-4455-6677-8899-aabbccddeeff"), Key = "ключ", Headers = headers, ProducedAt = produced };
        AppendResult result = await harness.Partition.AppendAsync([message, new TopicMessage(default)], null, null, default);
        StoredMessage[] stored = [.. (await harness.Partition.ReadAsync(TopicPosition.First, new TopicReadOptions(), default)).Messages];
        Assert.Equal((3, 0L, result.Timestamp, message.Id, (StoreKey?)"ключ", produced), (stored[0].Partition, stored[0].Offset, stored[0].Timestamp, stored[0].Id, stored[0].Key, stored[0].ProducedAt));
        Assert.Equal([9, 8], stored[0].Payload.ToArray());
        Assert.Equal(headers.Select(header => (header.Name, Convert.ToHexString(header.Value.Span))), stored[0].Headers.Select(header => (header.Name, Convert.ToHexString(header.Value.Span))));
        Assert.Equal((null, 0, 0), (stored[1].Key, stored[1].Headers.Count, stored[1].Payload.Length));
    }

    [Fact]
    public async Task An_append_happens_only_at_the_offset_it_expects()
    {
        await using PartitionHarness harness = await PartitionHarness.OpenAsync(new MemoryFileSystem());
        await harness.AppendAsync("a");
        AppendResult refused = await harness.Partition.AppendAsync([PartitionHarness.Message("x")], null, 0, default);
        Assert.Equal((AppendStatus.OffsetConflict, 1L, 0), (refused.Status, refused.Offset, refused.Count));
        AppendResult[] race = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => harness.Partition.AppendAsync([PartitionHarness.Message($"r{i}")], null, 1, default).AsTask()));
        Assert.Equal(1, race.Single(result => result.IsAppended).Offset);
        Assert.All(race.Where(result => !result.IsAppended), result => Assert.Equal(2, result.Offset));
        Assert.Equal(2, (await harness.ReadAsync(TopicPosition.First)).Length);
    }

    [Fact]
    public async Task A_producers_append_happens_once_however_often_it_comes()
    {
        var disk = new MemoryFileSystem();
        var producer = new Guid(5, 0, 0, new byte[8]);
        await using (PartitionHarness harness = await PartitionHarness.OpenAsync(disk))
        {
            Assert.Equal(StoreStatus.ClientNotFound, (await Assert.ThrowsAsync<WriteRefusedException>(() => harness.AppendAsync(new ProducerTicket(producer, 1), "a"))).Status);
            await harness.Partition.RegisterAsync(producer, default);
            Task<AppendResult>[] same = [.. Enumerable.Range(0, 10).Select(_ => harness.AppendAsync(new ProducerTicket(producer, 1), "a"))];   // Side by side: some find the first under way.
            Assert.Single((await Task.WhenAll(same)).Distinct());
            Assert.Equal(1, (await harness.AppendAsync(new ProducerTicket(producer, 2), "b")).Offset);
            Assert.Equal(StoreStatus.SequenceGap, (await Assert.ThrowsAsync<WriteRefusedException>(() => harness.AppendAsync(new ProducerTicket(producer, 4), "d"))).Status);
            Assert.Equal(StoreStatus.OutcomeForgotten, (await Assert.ThrowsAsync<WriteRefusedException>(() => harness.AppendAsync(new ProducerTicket(producer, 1), "a"))).Status);
        }

        await using (PartitionHarness harness = await PartitionHarness.OpenAsync(disk))
        {
            AppendResult repeated = await harness.AppendAsync(new ProducerTicket(producer, 2), "b");
            Assert.Equal((AppendStatus.Appended, 1L), (repeated.Status, repeated.Offset));
            Assert.Equal(["0:a", "1:b"], await harness.ReadAsync(TopicPosition.First));
            await harness.Partition.ForgetAsync(producer, default);
            await Assert.ThrowsAsync<WriteRefusedException>(() => harness.AppendAsync(new ProducerTicket(producer, 3), "c"));
        }
    }

    [Fact]
    public async Task A_refusal_is_kept_for_its_producer_too()
    {
        await using PartitionHarness harness = await PartitionHarness.OpenAsync(new MemoryFileSystem());
        var producer = new Guid(5, 0, 0, new byte[8]);
        await harness.Partition.RegisterAsync(producer, default);
        TopicMessage[] batch = [PartitionHarness.Message("a")];
        AppendResult refused = await harness.Partition.AppendAsync(batch, new ProducerTicket(producer, 1), 9, default);
        Assert.Equal((AppendStatus.OffsetConflict, 0L), (refused.Status, refused.Offset));
        await harness.AppendAsync("x");
        Assert.Equal(refused, await harness.Partition.AppendAsync(batch, new ProducerTicket(producer, 1), 9, default));
        Assert.Equal(1, (await harness.AppendAsync(new ProducerTicket(producer, 2), "b")).Offset);
    }

    [Fact]
    public async Task Messages_whose_ids_are_remembered_are_left_out()
    {
        var options = new TopicOptions { DeduplicationIds = 3 };
        var disk = new MemoryFileSystem();
        await using (PartitionHarness harness = await PartitionHarness.OpenAsync(disk, options))
        {
            await harness.AppendAsync("a", "b");
            AppendResult known = await harness.AppendAsync("b");
            Assert.Equal((AppendStatus.Duplicate, 1L, 0, 1), (known.Status, known.Offset, known.Count, known.Duplicates));
            AppendResult some = await harness.AppendAsync("b", "c", "c", "d", "a");
            Assert.Equal((AppendStatus.Appended, 2L, 2, 3), (some.Status, some.Offset, some.Count, some.Duplicates));
            Assert.Equal(1, (await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => harness.AppendAsync("e")))).Count(result => result.IsAppended));
        }

        await using (PartitionHarness harness = await PartitionHarness.OpenAsync(disk, options))
        {
            Assert.Equal(["0:a", "1:b", "2:c", "3:d", "4:e"], await harness.ReadAsync(TopicPosition.First));
            Assert.Equal(AppendStatus.Duplicate, (await harness.AppendAsync("c")).Status);
            Assert.Equal(5, (await harness.AppendAsync("a")).Offset);   // Three are remembered: this is none of them any more.
        }
    }

    [Fact]
    public async Task Trimming_hides_messages_at_once_and_gives_the_disk_back()
    {
        var disk = new MemoryFileSystem();
        var options = new TopicOptions { SegmentBytes = 64 * 1024 };
        await using (PartitionHarness harness = await PartitionHarness.OpenAsync(disk, options))
        {
            for (int i = 0; i < 300; i++) await harness.AppendAsync(new string('x', 1_000));
            await harness.Partition.ReadAsync(TopicPosition.First, new TopicReadOptions { MaxMessages = 3 }, default);   // Leaves a reader behind in the first segment.
            await harness.Partition.TrimAsync(250, default);
            Assert.Equal((250L, 300L), await BoundsAsync(harness));
            await Assert.ThrowsAsync<OffsetOutOfRangeException>(async () => await harness.ReadAsync(TopicPosition.At(249)));
            Assert.StartsWith("250:", (await harness.ReadAsync(TopicPosition.First))[0]);
            Assert.Equal(50, (await harness.ReadAsync(TopicPosition.End, new TopicReadOptions { Reverse = true })).Length);
            await UntilAsync(() => harness.Partition.Host.LogStart > 190);   // Whole segments of about 60.
            await UntilAsync(() => disk.ListFiles(Path.GetFullPath(Path.Combine("p", "shards", "000007", "log"))).Count(name => name.EndsWith(".log", StringComparison.Ordinal)) <= 3);
            await Assert.ThrowsAsync<OffsetOutOfRangeException>(async () => await harness.Partition.TrimAsync(301, default));
            await harness.Partition.TrimAsync(300, default);
            Assert.Empty(await harness.ReadAsync(TopicPosition.First));
        }

        await using (PartitionHarness harness = await PartitionHarness.OpenAsync(disk, options))
        {
            Assert.Equal((300L, 300L), await BoundsAsync(harness));
            Assert.Equal(300, (await harness.AppendAsync("y")).Offset);
            Assert.Equal(["300:y"], await harness.ReadAsync(TopicPosition.First));
        }
    }

    [Fact]
    public async Task A_quiet_partition_expires_by_age()
    {
        var time = new ManualTimeProvider(DateTimeOffset.UnixEpoch.AddYears(50));
        var options = new TopicOptions { RetentionAge = TimeSpan.FromMinutes(10) };
        var disk = new MemoryFileSystem();
        await using PartitionHarness harness = await PartitionHarness.OpenAsync(disk, options, time);
        await harness.AppendAsync("a");
        time.Advance(TimeSpan.FromMinutes(5));
        await harness.AppendAsync("b");
        for (int i = 0; i < 9; i++) await AdvanceAsync(time, TimeSpan.FromSeconds(30));
        Assert.Equal((0L, 2L), await BoundsAsync(harness));
        for (int i = 0; i < 600 && (await BoundsAsync(harness)).Start < 2; i++) await AdvanceAsync(time, TimeSpan.FromSeconds(30));
        Assert.Equal((2L, 2L), await BoundsAsync(harness));
        for (int i = 0; i < 600 && harness.Partition.Host.LogStart == 0; i++) await AdvanceAsync(time, TimeSpan.FromSeconds(2));
        Assert.True(harness.Partition.Host.LogStart > 0);
        Assert.Equal(2, (await harness.AppendAsync("c")).Offset);
    }

    [Fact]
    public async Task Size_lets_whole_segments_go_and_a_named_consumer_holds_them()
    {
        var time = new ManualTimeProvider(DateTimeOffset.UnixEpoch.AddYears(50));
        var options = new TopicOptions { SegmentBytes = 64 * 1024, RetentionBytes = 100 * 1024, RetentionConsumer = "billing" };
        await using PartitionHarness harness = await PartitionHarness.OpenAsync(new MemoryFileSystem(), options, time);
        for (int i = 0; i < 400; i++) await harness.AppendAsync(new string('x', 1_000));
        for (int i = 0; i < 20; i++) await AdvanceAsync(time, TimeSpan.FromSeconds(2));
        Assert.Equal(0, (await BoundsAsync(harness)).Start);   // Nothing was released.
        await harness.Partition.ReleaseAsync(130, default);
        for (int i = 0; i < 600 && (await BoundsAsync(harness)).Start == 0; i++) await AdvanceAsync(time, TimeSpan.FromSeconds(2));
        Assert.InRange((await BoundsAsync(harness)).Start, 60, 130);
        await harness.Partition.ReleaseAsync(400, default);
        for (int i = 0; i < 600 && (await BoundsAsync(harness)).Start <= 130; i++) await AdvanceAsync(time, TimeSpan.FromSeconds(2));
        Assert.InRange((await BoundsAsync(harness)).Start, 180, 300);   // At least 100 KiB stay.
    }

    /// <summary>
    /// Segments closed by age end in zeros that were filled in ahead. Those sealed before the log was opened were measured by the lengths of their files, so after a restart, or by another leader, a few kilobytes of messages
    /// counted as 64 KiB a segment, and went although far less than the retention's bytes were there. What counts is where the last frame ends. Seed 5 of the simulation's first runs with a topic.
    /// </summary>
    [Fact]
    public async Task After_a_restart_no_message_goes_because_of_zeros_behind_others()
    {
        var time = new ManualTimeProvider(DateTimeOffset.UnixEpoch.AddYears(50));
        var options = new TopicOptions { SegmentBytes = 64 * 1024, SegmentAge = TimeSpan.FromSeconds(1), RetentionBytes = 100 * 1024 };
        var disk = new MemoryFileSystem();
        await using (PartitionHarness harness = await PartitionHarness.OpenAsync(disk, options, time))
        {
            for (int i = 0; i < 6; i++)
            {
                await harness.AppendAsync(new string('x', 1_000));
                int segments = Segments();
                for (int wait = 0; wait < 600 && Segments() == segments; wait++) await AdvanceAsync(time, TimeSpan.FromSeconds(1));
            }
        }

        await using PartitionHarness again = await PartitionHarness.OpenAsync(disk, options, time);
        await again.AppendAsync("last");
        for (int i = 0; i < 30; i++) await AdvanceAsync(time, TimeSpan.FromSeconds(2));
        Assert.Equal((0L, 7L), await BoundsAsync(again));

        int Segments() => disk.ListFiles(StoreLayout.Log(Path.GetFullPath("p"), 7)).Count(name => name.EndsWith(".log", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Who_waits_at_the_end_is_woken_by_the_next_message_or_by_the_close()
    {
        await using PartitionHarness harness = await PartitionHarness.OpenAsync(new MemoryFileSystem());
        Task waiting = harness.Partition.WaitAsync(0, default).AsTask();
        Assert.False(waiting.IsCompleted);
        await harness.AppendAsync("a");
        await waiting.WaitAsync(TimeSpan.FromSeconds(60));
        await harness.Partition.WaitAsync(0, default);
        Task closed = harness.Partition.WaitAsync(1, default).AsTask();
        harness.Partition.Close();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => closed.WaitAsync(TimeSpan.FromSeconds(60)));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => harness.AppendAsync("b"));
    }

    [Fact]
    public async Task Readers_side_by_side_with_writers_and_a_trimmer_see_every_message_in_order()
    {
        await using PartitionHarness harness = await PartitionHarness.OpenAsync(new MemoryFileSystem(), new TopicOptions { SegmentBytes = 64 * 1024 }, snapshotLogBytes: 64 * 1024);
        const int Count = 4_000;
        Task writers = Task.WhenAll(Enumerable.Range(0, 4).Select(async _ =>
        {
            for (int i = 0; i < Count / 8; i++) await harness.AppendAsync(new string('x', 100), new string('y', 200));
        }));
        Task[] readers = [.. Enumerable.Range(0, 3).Select(async _ =>
        {
            for (long next = 0; next < Count;)
            {
                TopicPage page = await harness.Partition.ReadAsync(TopicPosition.At(next), new TopicReadOptions { MaxMessages = 37, OutOfRange = OutOfRangePolicy.First }, default);
                foreach (StoredMessage message in page.Messages)
                {
                    Assert.True(message.Offset == next || page.Start > next, "a message was skipped");
                    next = message.Offset + 1;
                }

                if (next < Count) await harness.Partition.WaitAsync(next, default);
            }
        })];
        while (!writers.IsCompleted)
        {
            long end = (await BoundsAsync(harness)).End;
            await harness.Partition.TrimAsync(Math.Max(0, end - 1_000), default);
            await Task.Delay(5);
        }

        await writers;
        await Task.WhenAll(readers).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.True(harness.Partition.Host.LogStart > 0);
    }

    private static async Task<(long Start, long End)> BoundsAsync(PartitionHarness harness)
    {
        PartitionInfo info = await harness.Partition.DescribeAsync(default, default);
        return (info.Start, info.End);
    }

    /// <summary>Time goes on, and the partition has had a turn since.</summary>
    private static async Task AdvanceAsync(ManualTimeProvider time, TimeSpan by)
    {
        time.Advance(by);
        await Task.Delay(2);
    }
}
