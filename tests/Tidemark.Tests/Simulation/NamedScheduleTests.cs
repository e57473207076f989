using System.Text;

using Tidemark.Core.KeyValue;
using Tidemark.Testing;
using Tidemark.Testing.Simulation;

namespace Tidemark.Tests.Simulation;

/// <summary>Schedules that have cost others their data, by name, on a whole cluster.</summary>
public class NamedScheduleTests
{
    /// <summary>Bytes that are no command are committed like any others: each replica answers alike, and none stops.</summary>
    [Fact]
    public async Task Poison_operation()
    {
        using var cluster = TestCluster.Start();
        for (ushort kind = 0; kind < 20; kind++) await cluster.ProposeAsync(kind, Bytes("\u0093\u00C4 no command"));
        Assert.Equal(StoreStatus.Malformed, KvAnswer.ReadSingle((await cluster.ProposeAsync((ushort)KvCommand.Write, Bytes("nonsense"))).Span, out _).Status);
        await cluster.CrashAsync(cluster.Leader);
        await PutAsync(cluster, "key", "goes on");
        cluster.Check();
    }

    /// <summary>A leader that was cut off answers reads that may be old for as long as what it knows is young enough, no longer; one that may not be old never.</summary>
    [Fact]
    public async Task Partitioned_old_leader_reads()
    {
        using var cluster = TestCluster.Start();
        await PutAsync(cluster, "key", "old");
        await cluster.AdvanceAsync(TimeSpan.FromSeconds(1));
        int leader = cluster.Leader;
        TimeSpan moment = TimeSpan.FromMilliseconds(2);
        Assert.Equal((true, null), cluster.ReadAt(leader, TimeSpan.FromMilliseconds(200), moment));
        cluster.Partition(leader);
        await cluster.AdvanceAsync(TimeSpan.FromMilliseconds(400));
        Assert.Equal((true, null), cluster.ReadAt(leader, TimeSpan.FromMilliseconds(600), moment));
        Assert.Equal((false, null), cluster.ReadAt(leader, TimeSpan.FromMilliseconds(200), moment));
        Assert.Equal((false, null), cluster.ReadAt(leader, TimeSpan.Zero, moment));
        await cluster.AdvanceAsync(TimeSpan.FromSeconds(1));
        Assert.IsType<ShardUnavailableException>(cluster.ReadAt(leader, TimeSpan.FromSeconds(100), moment).Refusal);   // It has noticed.
        cluster.Check();
    }

    /// <summary>Its stamps would be those of the shard for good: it takes no more commands from the moment it jumps, and another leads until it is set right.</summary>
    [Theory]
    [InlineData(10)]
    [InlineData(-10)]
    public async Task Leader_whose_clock_is_wrong(int seconds)
    {
        using var cluster = TestCluster.Start();
        await PutAsync(cluster, "key", "1");
        await cluster.AdvanceAsync(TimeSpan.FromSeconds(1));
        int leader = cluster.Leader;
        cluster.SetClock(leader, TimeSpan.FromSeconds(seconds));
        await PutAsync(cluster, "key", "2");
        Assert.NotEqual(leader, cluster.Leader);
        DateTimeOffset now = SimWorld.Epoch + cluster.Elapsed;
        Assert.InRange((await cluster.Store.GetAsync("key"))!.Value.Modified.Physical, now - TimeSpan.FromSeconds(5), now);

        for (int i = 0; i < 10; i++)
        {
            await cluster.CrashAsync((leader + 1) % 3);
            await cluster.AdvanceAsync(TimeSpan.FromSeconds(1));
            Assert.NotEqual(leader, cluster.Leader);   // Nor where the others have not enough without it.
            await cluster.StartAsync((leader + 1) % 3);
        }

        cluster.SetClock(leader, TimeSpan.Zero);
        cluster.Check();
        await cluster.CrashAsync((leader + 1) % 3);
        await PutAsync(cluster, "key", "3");
        cluster.Check();
    }

    /// <summary>What is refused takes no place in the log: the next write is not held up by it.</summary>
    [Fact]
    public async Task Oversize_then_normal_put()
    {
        using var cluster = TestCluster.Start(new TestClusterOptions { Namespace = new NamespaceOptions { MaxValueBytes = 1000 } });
        await Assert.ThrowsAsync<LimitExceededException>(async () => await cluster.Store.PutAsync("key", new byte[1001]));
        await PutAsync(cluster, "key", "fits");
        await cluster.CrashAsync(cluster.Leader);
        Assert.Equal("fits", await GetAsync(cluster, "key"));
        cluster.Check();
    }

    /// <summary>Within a batch the order counts: the record is there afterwards, with a version above the one that was deleted, also on who replays it.</summary>
    [Fact]
    public async Task Delete_then_put_of_one_key_in_one_batch()
    {
        using var cluster = TestCluster.Start();
        await PutAsync(cluster, "key", "old");
        long old = (await cluster.Store.GetAsync("key"))!.Value.Version;
        TransactionResult both = await cluster.Store.CommitAsync(new StoreTransaction().Delete("key").Put("key", Bytes("new")));
        Assert.Equal(StoreStatus.Ok, both.Status);
        await cluster.CrashAsync(cluster.Leader);
        StoreRecord found = (await cluster.Store.GetAsync("key"))!.Value;
        Assert.True(found.GetString() == "new" && found.Version > old, $"{found}");
        cluster.Check();
    }

    /// <summary>The leader is lost with the write committed and unanswered: the same number, sent again to the next, finds the answer.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Retry_after_ambiguous_commit(long seed)
    {
        using var cluster = TestCluster.Start(new TestClusterOptions { Seed = seed });
        await using StoreClient client = await cluster.Store.RegisterClientAsync();
        for (int i = 0; i < 40; i++)
        {
            // Whatever is under way when the time comes is cut off, on either side of its commit.
            int leader = cluster.Leader;
            if (i % 4 == 0) cluster.CrashIn(leader, TimeSpan.FromMilliseconds(0.3 + (i * 0.07)));
            WriteResult put = await client.Store.PutAsync("counter", Bytes($"{i}"), i == 0 ? PutOptions.MustNotExist : null);
            Assert.Equal((StoreStatus.Ok, i + 1), (put.Status, (int)put.Version));   // Versions count the puts: none happened twice.
            await cluster.AdvanceAsync(TimeSpan.FromSeconds(1));
            await cluster.StartAsync(leader);
        }

        Assert.Equal("39", await GetAsync(cluster, "counter"));
        cluster.Check();
    }

    /// <summary>Ephemeral records of a session that nobody keeps any more go once, whoever leads then; natural key order changes nothing about it.</summary>
    [Fact]
    public async Task Session_failover_in_natural_order()
    {
        using var cluster = TestCluster.Start(new TestClusterOptions { Namespace = new NamespaceOptions { KeyOrder = KeyOrder.Natural } });
        StoreSession kept = await cluster.Store.OpenSessionAsync(new SessionOptions { Timeout = TimeSpan.FromSeconds(5) });
        await cluster.Store.PutAsync("a/kept", Bytes("1"), new PutOptions { Session = kept });
        for (int i = 0; i < 4; i++)
        {
            int leader = cluster.Leader;
            await cluster.CrashAsync(leader);
            await cluster.AdvanceAsync(TimeSpan.FromSeconds(4));
            await cluster.StartAsync(leader);
            Assert.Equal("1", await GetAsync(cluster, "a/kept"));
        }

        await kept.DisposeAsync();
        Assert.Null(await GetAsync(cluster, "a/kept"));
        cluster.Check();
    }

    /// <summary>A watch goes on over the loss of the leader it began at: every change once, in order.</summary>
    [Fact]
    public async Task Watch_over_failover_has_no_gap_and_no_repetition()
    {
        using var cluster = TestCluster.Start();
        await using IAsyncEnumerator<StoreEvent> watch = cluster.Store.WatchAsync(KeyRange.All).GetAsyncEnumerator();
        var seen = new List<long>();
        for (int i = 0; i < 60; i++)
        {
            await PutAsync(cluster, $"/{i % 7}", $"{i}");
            if (i % 20 == 10) await cluster.CrashAsync(cluster.Leader);
            if (i % 20 == 15)
            {
                for (int node = 0; node < 3; node++) await cluster.StartAsync(node);
            }

            Assert.True(await watch.MoveNextAsync());
            seen.Add(watch.Current.Version);
        }

        Assert.Equal(Enumerable.Range(1, 60).Select(version => (long)version), seen);
        cluster.Check();
    }

    /// <summary>A watch that begins behind what is kept is told so, on any replica, and then goes on.</summary>
    [Fact]
    public async Task Resume_after_compaction()
    {
        using var cluster = TestCluster.Start(new TestClusterOptions { Namespace = new NamespaceOptions { ChangeLogEntries = 64 } });
        WatchToken token;
        await using (IAsyncEnumerator<StoreEvent> watch = cluster.Store.WatchAsync(KeyRange.All).GetAsyncEnumerator())
        {
            await PutAsync(cluster, "key", "first");
            Assert.True(await watch.MoveNextAsync());
            token = watch.Current.Token;
        }

        for (int i = 0; i < 100; i++) await PutAsync(cluster, "key", $"{i}");
        await cluster.CrashAsync(cluster.Leader);
        await using IAsyncEnumerator<StoreEvent> resumed = cluster.Store.WatchAsync(KeyRange.All, new WatchOptions { ResumeAfter = token }).GetAsyncEnumerator();
        Assert.True(await resumed.MoveNextAsync());
        Assert.Equal(StoreEventKind.Compacted, resumed.Current.Kind);
        await PutAsync(cluster, "other", "last");
        StoreEvent last = resumed.Current;
        while (last.Key != "other") last = await resumed.MoveNextAsync() ? resumed.Current : throw new InvalidOperationException("the watch ended");
        Assert.Equal(102, last.Version);
    }

    private static async Task PutAsync(TestCluster cluster, string key, string value) =>
        Assert.Equal(StoreStatus.Ok, (await cluster.Store.PutAsync(key, Bytes(value))).Status);

    private static async Task<string?> GetAsync(TestCluster cluster, string key) => (await cluster.Store.GetAsync(key))?.GetString();

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);
}
