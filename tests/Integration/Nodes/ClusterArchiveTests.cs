using System.Text;

using Tidemark.Core.Replication;
using Tidemark.Replication.Nodes;
using Tidemark.Testing;
using Tidemark.Tool;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Integration.Nodes;

/// <summary>A cluster's namespace is restored from its archive as it was, whoever led and whatever was moved meanwhile.</summary>
public sealed class ClusterArchiveTests
{
    private static readonly Mutators _counts = Mutators.Empty
        .Add("count.add", 1, ValueSerializer.Json(SyncJson.Default.AddCount), static (context, add) => context.Put(add.Key, Encoding.UTF8.GetBytes($"{add.By}")));

    private readonly MemoryFileSystem _other = new();

    private FolderArchive Folder => new("a", _other);

    private ArchiveOptions ByHand => new() { Archive = Folder, Interval = Timeout.InfiniteTimeSpan };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Every_moment_has_all_that_was_acknowledged_before_while_leaders_are_killed_and_moved(int seed)
    {
        const int Shards = 3;
        var random = new Random(seed);
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: seed == 1, new NamespaceOptions { ShardCount = Shards }, archive: ByHand);
        await using var writers = new ArchivedWriters(cluster, Shards, Folder);
        for (int round = 0; round < 6; round++)
        {
            await writers.GoOnAsync(3);
            int shard = random.Next(Shards), leader = await cluster.LeaderAsync(shard);
            Task archiving = writers.ArchiveAsync(random);
            if (round % 3 == 0)
            {
                await cluster.KillAsync(leader);
                await archiving;
                await cluster.StartAsync(leader);
            }
            else
            {
                HandOver(cluster, leader, shard, (leader + 1) % 3);
                await archiving;
            }

            await writers.ArchiveAsync(random);
        }

        await writers.CheckAsync();
        Assert.Equal(HybridTimestamp.MinValue, (await TidemarkStore.DescribeArchiveAsync(Folder)).Earliest);
        await using TidemarkStore all = await writers.RestoreAsync(null);
        Assert.Equal(Shards, all.GetHealth().Shards.Count);
        Assert.NotEqual((await TidemarkStore.DescribeArchiveAsync(Folder)).StoreId, all.StoreId);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(2)]
    public async Task Shards_may_be_spread_and_nodes_come_and_go(int replicas)
    {
        const int Shards = 4;
        var random = new Random(replicas);
        await using LiveCluster cluster = await LiveCluster.StartPlacedAsync(4, replicas, Shards, archive: ByHand);
        await using var writers = new ArchivedWriters(cluster, Shards, Folder);
        await writers.GoOnAsync(3);
        await writers.ArchiveAsync(random);
        await cluster.StartAsync(4);
        Task moving = cluster.Nodes[0]!.AddNodeAsync(4);
        for (int i = 0; !moving.IsCompleted || i < 2; i++)
        {
            await writers.ArchiveAsync(random);
            await writers.GoOnAsync(1);
        }

        await moving;
        moving = cluster.Nodes[1]!.RemoveNodeAsync(0);
        for (int i = 0; !moving.IsCompleted || i < 2; i++)
        {
            await writers.ArchiveAsync(random);
            await writers.GoOnAsync(1);
        }

        await moving;
        await writers.GoOnAsync(2);
        await writers.ArchiveAsync(random);
        await writers.CheckAsync();
        Assert.Equal(HybridTimestamp.MinValue, (await TidemarkStore.DescribeArchiveAsync(Folder)).Earliest);
    }

    /// <summary>Two shards that no node keeps both of, on nodes whose clocks differ: what was acknowledged on the one whose leader is ahead is later than what the other's leader stamps, unless that one's clock is moved on.</summary>
    [Fact]
    public async Task A_moment_has_everything_where_clocks_differ()
    {
        await using LiveCluster cluster = await LiveCluster.StartPlacedAsync(4, replicas: 2, shards: 2, archive: ByHand, timeOf: node => new OffTime(TimeSpan.FromMilliseconds(node < 2 ? 150 : -150)));
        HashRangeRouter router = HashRangeRouter.CreateEven(2);
        string ahead = Enumerable.Range(0, 100).Select(i => $"/{i}").First(key => router.Route(Encoding.UTF8.GetBytes(key)) == 0);
        Assert.Empty(cluster.Nodes[0]!.Describe().Shards[0].Members.Intersect(cluster.Nodes[0]!.Describe().Shards[1].Members));
        for (int round = 0; round < 4; round++)
        {
            WriteResult put = await cluster.Nodes[round]!.Store.PutAsync(ahead, Encoding.UTF8.GetBytes($"{round}"));
            HybridTimestamp moment = await cluster.Nodes[3 - round]!.ArchiveAsync();
            Assert.True(moment >= put.Timestamp, $"{moment} is before {put.Timestamp}");
            var options = new TidemarkStoreOptions { FileSystem = new MemoryFileSystem() };
            await TidemarkStore.RestoreAsync(Folder, "r", moment, options);
            await using TidemarkStore restored = await TidemarkStore.OpenAsync("r", options);
            Assert.Equal($"{round}", (await restored.GetAsync(ahead))?.GetString());
        }
    }

    [ExternalFact("liblmdb0")]
    public async Task Whatever_engines_nodes_keep_their_rows_in()
    {
        const int Shards = 2;
        SystemSqlite.Require();
        var random = new Random(5);
        await using LiveCluster cluster = await LiveCluster.StartAsync(
            isTcp: false, new NamespaceOptions { ShardCount = Shards }, node => node switch { 0 => StorageEngine.Memory, 1 => StorageEngine.Lmdb(), _ => SystemSqlite.Engine }, archive: ByHand);
        await using var writers = new ArchivedWriters(cluster, Shards, Folder, valueBytes: 30_000);   // Long enough that states are copied.
        for (int round = 0; round < 6; round++)
        {
            await writers.GoOnAsync(6);
            int leader = await cluster.LeaderAsync(round % Shards);
            Task archiving = writers.ArchiveAsync(random);
            if (round % 2 == 0) await cluster.KillAsync(leader);
            await archiving;
            if (round % 2 == 0) await cluster.StartAsync(leader);
            HandOver(cluster, await cluster.LeaderAsync(0), 0, round % 3);
        }

        await writers.CheckAsync();
        Assert.Contains(_other.ListFiles(Path.GetFullPath("a/shards/000000")), name => name.EndsWith(".state", StringComparison.Ordinal));
        Assert.Equal(HybridTimestamp.MinValue, (await TidemarkStore.DescribeArchiveAsync(Folder)).Earliest);
    }

    /// <summary>A copy takes longer than an operation may: it is asked after again and again, and is not begun again.</summary>
    [Fact]
    public async Task A_slow_archive_is_waited_for()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, archive: ByHand with { Archive = new FailingArchive(Folder) { WritesSlowly = true } });
        HybridTimestamp put = (await cluster.Nodes[0]!.Store.PutAsync("/a", "1"u8.ToArray())).Timestamp;
        int leader = await cluster.LeaderAsync();
        Assert.True(await cluster.Nodes[(leader + 1) % 3]!.ArchiveAsync() >= put);
        Assert.Equal(1, _other.ListFiles(Path.GetFullPath("a/shards/000000")).Count(name => name.EndsWith(".entries", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_client_does_not_wait_for_an_archive_that_does_not_answer()
    {
        const int Records = 100;
        var failing = new FailingArchive(Folder);
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, new NamespaceOptions { ChangeLogEntries = 30 }, mutators: _counts, archive: ByHand with { Archive = failing });
        KeyValueStore server = cluster.Nodes[1]!.Store;
        for (int i = 0; i < Records; i++) await server.PutAsync($"/{i:D3}", "0"u8.ToArray());
        await cluster.Nodes[0]!.ArchiveAsync();
        await using var local = LocalStore.InMemory(_counts);
        await using (LocalStoreSync sync = local.SyncWith(server)) await sync.CaughtUpAsync();
        for (int i = 0; i < 40; i++)
        {
            await server.PutAsync("/000", Encoding.UTF8.GetBytes($"{i}"));
            if (i % 20 == 19) await cluster.Nodes[0]!.ArchiveAsync();
        }

        failing.Hangs = true;
        await using LocalStoreSync back = local.SyncWith(server);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await back.CaughtUpAsync(deadline.Token);
        Assert.True(back.Status.RowsReceived >= Records, $"{back.Status.RowsReceived}");
        Assert.True(failing.HasHung);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_node_that_has_no_archive_or_another_is_named(bool hasAnother)
    {
        await using LiveCluster cluster = LiveCluster.Prepare(isTcp: false);
        cluster.ArchiveOf = node => node == 0 ? ByHand : hasAnother ? ByHand with { Archive = new FolderArchive("b", _other) } : null;
        await Task.WhenAll(Enumerable.Range(0, 3).Select(cluster.StartAsync));
        await cluster.Nodes[0]!.Store.PutAsync("/a", "1"u8.ToArray());
        await UntilAsync(() =>
        {
            HandOver(cluster, 0, 0, 1);
            return cluster.Nodes[0]!.GetLeaders()[0] is 1 or 2;
        });
        var failed = await Assert.ThrowsAsync<IOException>(() => cluster.Nodes[0]!.ArchiveAsync());
        Assert.Contains($"Node {cluster.Nodes[0]!.GetLeaders()[0]} ", failed.Message, StringComparison.Ordinal);
        Assert.Equal(0, Objects());
    }

    [Fact]
    public async Task All_replicas_keep_the_log_until_it_was_copied_and_then_let_it_go()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, archive: ByHand);
        for (int round = 0; round < 3; round++)
        {
            int leader = await cluster.LeaderAsync();
            await CutAsync(cluster, cluster.Nodes[leader]!.Store, 4);
            long before = round == 0 ? 0 : LogStartOf(cluster.Nodes[leader]!);
            foreach (TidemarkNode node in cluster.Up) Assert.True(LogStartOf(node) <= EndOf(Folder), "what was not copied is kept");
            await cluster.KillAsync(leader);
            await cluster.Nodes[(leader + 1) % 3]!.ArchiveAsync();
            await cluster.StartAsync(leader);
            await CutAsync(cluster, cluster.Nodes[leader]!.Store, 1);
            await cluster.Nodes[leader]!.ArchiveAsync();
            foreach (TidemarkNode node in cluster.Up) await UntilAsync(() => LogStartOf(node) > before + 20);
        }

        Assert.Equal(HybridTimestamp.MinValue, (await TidemarkStore.DescribeArchiveAsync(Folder)).Earliest);
    }

    /// <summary>A node that lost its disk was given a state that is newer than the archive, and then led: the entries before were on the others alone, and the archive would have had a hole.</summary>
    [Fact]
    public async Task What_a_leader_has_never_had_as_entries_another_replica_copies()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, archive: ByHand);
        int leader = await cluster.LeaderAsync(), lost = (leader + 1) % 3;
        TidemarkNode first = cluster.Nodes[leader]!;
        await CutAsync(cluster, first.Store, 4);
        await first.ArchiveAsync();
        await CutAsync(cluster, first.Store, 1);
        await UntilAsync(() => LogStartOf(first) > 0);
        await first.ArchiveAsync();
        long archived = EndOf(Folder);
        await cluster.KillAsync(lost);
        Directory.Delete(cluster.DirectoryOf(lost), recursive: true);
        await CutAsync(cluster, first.Store, 2);
        HybridTimestamp between = (await first.Store.PutAsync("/between", "1"u8.ToArray())).Timestamp;
        await CutAsync(cluster, first.Store, 2);
        await cluster.StartAsync(lost);
        await UntilAsync(() => cluster.Nodes[lost]!.Describe().Shards[0].Replica is { IsLost: false });
        Assert.True(LogStartOf(cluster.Nodes[lost]!) > archived, "it was given a state");
        await UntilAsync(() =>
        {
            HandOver(cluster, leader, 0, lost);
            return cluster.Nodes[lost]!.GetLeaders()[0] == lost;
        });
        await first.ArchiveAsync();
        Assert.Equal(HybridTimestamp.MinValue, (await TidemarkStore.DescribeArchiveAsync(Folder)).Earliest);
        var options = new TidemarkStoreOptions { FileSystem = new MemoryFileSystem() };
        await TidemarkStore.RestoreAsync(Folder, "r", between, options);
        await using TidemarkStore restored = await TidemarkStore.OpenAsync("r", options);
        Assert.NotNull(await restored.GetAsync("/between"));
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public async Task A_client_that_was_away_for_long_is_told_what_has_changed(bool isRemote, bool hasArchive)
    {
        const int Records = 400, Changed = 20;
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: isRemote, new NamespaceOptions { ChangeLogEntries = 30 }, mutators: _counts, archive: hasArchive ? ByHand : null);
        await using TidemarkClient? client = isRemote ? await cluster.ConnectAsync() : null;
        KeyValueStore server = client?.Store ?? cluster.Nodes[1]!.Store;
        for (int i = 0; i < Records; i++) await cluster.Nodes[0]!.Store.PutAsync($"/{i:D3}", "0"u8.ToArray());
        if (hasArchive) await cluster.Nodes[0]!.ArchiveAsync();
        await using var local = LocalStore.InMemory(_counts);
        await using (LocalStoreSync sync = local.SyncWith(server)) await sync.CaughtUpAsync();
        for (int round = 1; round <= 6; round++)
        {
            for (int i = 0; i < Changed; i++) await cluster.Nodes[0]!.Store.PutAsync($"/{i:D3}", Encoding.UTF8.GetBytes($"{round}"));
            if (hasArchive) await cluster.Nodes[round % 3]!.ArchiveAsync();
        }

        await using LocalStoreSync back = local.SyncWith(server);
        await back.CaughtUpAsync();
        Assert.True(local.TryGet("/003", out ReadOnlyMemory<byte> value));
        Assert.Equal("6", Encoding.UTF8.GetString(value.Span));
        if (hasArchive) Assert.InRange(back.Status.RowsReceived, 1, 6 * Changed);
        else Assert.True(back.Status.RowsReceived >= Records, $"{back.Status.RowsReceived}");
    }

    [Fact]
    public async Task Where_the_archive_fails_writes_go_on_health_says_why_and_later_it_goes_on()
    {
        var failing = new FailingArchive(Folder);
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, new NamespaceOptions { ShardCount = 2 }, archive: new ArchiveOptions { Archive = failing, Interval = TimeSpan.FromMilliseconds(300) });
        KeyValueStore store = cluster.Nodes[0]!.Store;
        HybridTimestamp first = (await store.PutAsync("/a", "1"u8.ToArray())).Timestamp;
        await UntilAsync(() => cluster.Up.All(node => node.Describe().Archive?.Newest >= first));
        failing.Fails = true;
        await store.PutAsync("/a", "2"u8.ToArray());
        await UntilAsync(() => cluster.Up.Any(node => node.Describe().Archive!.Failure?.Contains("away", StringComparison.Ordinal) == true));
        var asked = await Assert.ThrowsAsync<IOException>(() => cluster.Nodes[1]!.ArchiveAsync());
        Assert.Contains("away", asked.Message, StringComparison.Ordinal);
        HybridTimestamp last = (await store.PutAsync("/a", "3"u8.ToArray())).Timestamp;
        failing.Fails = false;
        await UntilAsync(() => cluster.Up.All(node => node.Describe().Archive is { Failure: null, Newest: { } newest } && newest >= last));
        var options = new TidemarkStoreOptions { FileSystem = new MemoryFileSystem() };
        await TidemarkStore.RestoreAsync(Folder, "r", last, options);
        await using TidemarkStore restored = await TidemarkStore.OpenAsync("r", options);
        Assert.Equal("3", (await restored.GetAsync("/a"))?.GetString());
    }

    [Fact]
    public async Task Where_nothing_is_new_nothing_is_written()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(
            isTcp: false, new NamespaceOptions { ShardCount = 2 }, archive: new ArchiveOptions { Archive = Folder, Interval = TimeSpan.FromMilliseconds(200) });
        HybridTimestamp put = (await cluster.Nodes[0]!.Store.PutAsync("/a", "1"u8.ToArray())).Timestamp;
        await UntilAsync(() => cluster.Up.All(node => node.Describe().Archive?.Newest >= put));
        await Task.Delay(TimeSpan.FromSeconds(1));   // Of what was on its way.
        int objects = Objects();
        await Task.Delay(TimeSpan.FromSeconds(12));   // Replicas compare their states meanwhile, which makes entries.
        Assert.Equal(objects, Objects());
        Assert.Equal(await cluster.Nodes[0]!.ArchiveAsync(), await cluster.Nodes[1]!.ArchiveAsync());
        Assert.Equal(objects, Objects());
    }

    [Fact]
    public async Task Much_that_waits_is_copied_before_the_interval_is_over()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, archive: new ArchiveOptions { Archive = Folder, Interval = TimeSpan.FromHours(1), MaxLagBytes = 1024 * 1024 });
        HybridTimestamp first = (await cluster.Nodes[0]!.Store.PutAsync("/a", new byte[1])).Timestamp;
        for (int i = 0; i < 200; i++) await cluster.Nodes[0]!.Store.PutAsync("/a", new byte[4000]);
        await UntilAsync(() => cluster.Up.All(node => node.Describe().Archive?.Newest >= first));
    }

    [Fact]
    public async Task Another_clusters_archive_is_refused_and_so_is_a_cluster_without_one()
    {
        await using (LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, archive: ByHand))
        {
            await cluster.Nodes[0]!.Store.PutAsync("/a", "1"u8.ToArray());
            await cluster.Nodes[2]!.ArchiveAsync();
        }

        int objects = Objects();
        await using LiveCluster other = await LiveCluster.StartAsync(isTcp: false, archive: ByHand);
        await other.Nodes[0]!.Store.PutAsync("/b", "1"u8.ToArray());
        foreach (TidemarkNode node in other.Up) await Assert.ThrowsAsync<FormatMismatchException>(() => node.ArchiveAsync());
        Assert.NotNull(other.Nodes[0]!.Describe().Archive!.Failure);
        Assert.Equal(objects, Objects());
        await using LiveCluster without = await LiveCluster.StartAsync(isTcp: false);
        await Assert.ThrowsAsync<InvalidOperationException>(() => without.Nodes[0]!.ArchiveAsync());
        Assert.Null(without.Nodes[0]!.Describe().Archive);
    }

    /// <summary>All directories and the status are copied, and put back later: what was archived meanwhile is no history of theirs.</summary>
    [Fact]
    public async Task A_cluster_that_was_set_back_is_refused()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: true, archive: ByHand);
        string home = Path.GetDirectoryName(cluster.DirectoryOf(0))!;
        using var saved = new TemporaryDirectory();
        for (int i = 0; i < 10; i++) await cluster.Nodes[0]!.Store.PutAsync($"/{i}", "1"u8.ToArray());
        await cluster.Nodes[0]!.ArchiveAsync();
        await Task.WhenAll(cluster.Up.Select(node => node.DisposeAsync().AsTask()));
        Copy(home, saved.Path);
        await Task.WhenAll(Enumerable.Range(0, 3).Select(cluster.StartAsync));
        for (int i = 0; i < 50; i++) await cluster.Nodes[0]!.Store.PutAsync($"/{i}", "2"u8.ToArray());
        await cluster.Nodes[1]!.ArchiveAsync();
        await Task.WhenAll(cluster.Up.Select(node => node.DisposeAsync().AsTask()));
        Directory.Delete(home, recursive: true);
        Copy(saved.Path, home);
        await Task.WhenAll(Enumerable.Range(0, 3).Select(cluster.StartAsync));
        await cluster.Nodes[0]!.Store.PutAsync("/new", "3"u8.ToArray());
        int objects = Objects();
        await Assert.ThrowsAsync<FormatMismatchException>(() => cluster.Nodes[0]!.ArchiveAsync());
        Assert.Equal(objects, Objects());
    }

    [Fact]
    public async Task What_is_older_than_wanted_goes_whichever_node_was_asked()
    {
        const int Rounds = 8;
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, archive: ByHand with { KeepFor = TimeSpan.Zero });
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < 12; i++) await cluster.Nodes[0]!.Store.PutAsync($"/{i}", new byte[100_000]);
            await cluster.Nodes[0]!.Store.PutAsync("/round", Encoding.UTF8.GetBytes($"{round}"));
            int leader = await cluster.LeaderAsync();
            if (round % 3 == 2) HandOver(cluster, leader, 0, (leader + 1) % 3);
            await cluster.Nodes[round % 3]!.ArchiveAsync();
        }

        Assert.Equal(1, _other.ListFiles(Path.GetFullPath("a/points")).Count(name => name.EndsWith(".point", StringComparison.Ordinal)));
        Assert.InRange(Objects(), 2, 9);
        Assert.True((await TidemarkStore.DescribeArchiveAsync(Folder)).Earliest > HybridTimestamp.MinValue);
        var options = new TidemarkStoreOptions { FileSystem = new MemoryFileSystem() };
        await TidemarkStore.RestoreAsync(Folder, "r", null, options);
        await using TidemarkStore restored = await TidemarkStore.OpenAsync("r", options);
        Assert.Equal($"{Rounds - 1}", (await restored.GetAsync("/round"))?.GetString());
    }

    private static void HandOver(LiveCluster cluster, int leader, long shard, int heir)
    {
        if (cluster.Nodes[leader] is { } node && ((INodeRuns)node).Current?.Kept(shard) is { } replica) replica.Host.HandOverTo(heir);
    }

    private static long LogStartOf(TidemarkNode node) => ((INodeRuns)node).Current!.Host.Replicas[0].Host.LogStart;

    /// <summary>Writes and cuts, so that all but the last two generations may go.</summary>
    private static async Task CutAsync(LiveCluster cluster, KeyValueStore store, int times)
    {
        for (int i = 0; i < times; i++)
        {
            for (int n = 0; n < 20; n++) await store.PutAsync($"/{n}", new byte[20_000]);
            CutResult cut = Assert.Single(await store.CompactAsync());
            foreach (TidemarkNode node in cluster.Up) await UntilAsync(() => node.Describe().Shards[0].Replica?.Applied >= 0 && GenerationOf(node) >= cut.Generation);
        }
    }

    private static long GenerationOf(TidemarkNode node) => ((INodeRuns)node).Current!.Host.Replicas[0].Machine is Tidemark.Core.State.ICutsLog { Generations: { Count: > 0 } generations } ? generations[^1].Number : 0;

    /// <summary>The entry behind the last that the archive has.</summary>
    private static long EndOf(FolderArchive archive) => archive.ListAsync("shards/000000").AsTask().Result
        .Select(found => Storage.Archive.ArchiveNames.TryParseEntries(found.Name, out _, out long last) ? last + 1 : 0).DefaultIfEmpty(0).Max();

    private static void Copy(string from, string to)
    {
        foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    private int Objects() => new[] { "points", "shards/000000", "shards/000001" }.Sum(folder => Folder.ListAsync(folder).AsTask().Result.Count);

    private sealed class FailingArchive(IArchive inner) : IArchive
    {
        private static readonly TimeSpan _slow = TimeSpan.FromSeconds(12);   // Longer than an operation may take.

        private volatile bool _fails, _hangs;

        internal bool WritesSlowly { get; init; }

        internal bool HasHung { get; private set; }

        internal bool Fails
        {
            set => _fails = value;
        }

        internal bool Hangs
        {
            set => _hangs = value;
        }

        public ValueTask<IReadOnlyList<ArchiveObject>> ListAsync(string folder, CancellationToken cancellationToken = default) => inner.ListAsync(folder, cancellationToken);

        public async ValueTask<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken = default)
        {
            HasHung |= _hangs;
            if (_hangs) await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            return await inner.OpenReadAsync(name, cancellationToken);
        }

        public async ValueTask<bool> TryCreateAsync(string name, Stream content, CancellationToken cancellationToken = default)
        {
            if (_fails) throw new IOException("away");
            if (WritesSlowly && name.EndsWith(".entries", StringComparison.Ordinal)) await Task.Delay(_slow, cancellationToken);
            return await inner.TryCreateAsync(name, content, cancellationToken);
        }

        public ValueTask DeleteAsync(string name, CancellationToken cancellationToken = default) => inner.DeleteAsync(name, cancellationToken);
    }

    /// <summary>A clock that is off.</summary>
    private sealed class OffTime(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + by;
    }
}
