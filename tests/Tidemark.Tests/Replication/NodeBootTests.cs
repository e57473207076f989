using Tidemark.Core.Replication;
using Tidemark.Replication.Cluster;
using Tidemark.Replication.Nodes;
using Tidemark.Storage.Replica;
using Tidemark.Testing;

namespace Tidemark.Tests.Replication;

/// <summary>A node's start: which it is, and whether the disk is the one the node left.</summary>
public sealed class NodeBootTests
{
    private const string Place = "/data";
    private const int Node = 2;

    private static readonly Guid _cluster = new("00112233-4455-6677-8899-aabbccddeeff");

    private readonly BootStore _store = new();
    private FaultyFileSystem _disk = new();

    [Fact]
    public async Task The_first_start_of_a_cluster_writes_the_status_and_counts_one()
    {
        BootedNode booted = await Boot();
        Assert.Equal((1L, false), (booted.Run, booted.IsLost));
        Assert.Equal(new NodeRecord(_cluster, Node, 1), NodeFile.TryRead(_disk, Place));
        ClusterStatus status = await Status();
        Assert.Equal((_cluster, 0L, 1L), (status.Cluster, status.NodeOf(1).Run, status.NodeOf(Node).Run));
        Assert.Equal([1, 2, 3], status.Shards[0].Ensemble);
        Assert.Equal(status.ToBytes(), booted.Status.ToBytes());
    }

    [Fact]
    public async Task Every_further_start_counts_one_up_and_is_not_lost()
    {
        for (int run = 1; run <= 5; run++)
        {
            BootedNode booted = await Boot();
            Assert.Equal((run, false, run), ((int)booted.Run, booted.IsLost, (int)(await Status()).NodeOf(Node).Run));
        }
    }

    [Fact]
    public async Task A_crash_between_directory_and_status_leaves_a_directory_that_is_ahead_and_not_lost()
    {
        await Boot();
        _store.Fail = _ => new IOException("out of reach");
        await Assert.ThrowsAsync<IOException>(Boot);
        Assert.Equal((2L, 1L), (NodeFile.TryRead(_disk, Place)!.Value.Run, (await Status()).NodeOf(Node).Run));
        _store.Fail = null;
        BootedNode booted = await Boot();
        Assert.Equal((3L, false), (booted.Run, booted.IsLost));
    }

    /// <summary>
    /// The very first start wrote the node file before there was a status. When the status could not be written then, the node refused every later start: a directory that had been used, and no
    /// status. Now nothing is on the disk before the status is there.
    /// </summary>
    [Fact]
    public async Task A_first_start_that_does_not_reach_the_store_can_be_made_again()
    {
        for (int write = 1; write <= 2; write++)
        {
            _store.Fail = number => number == write ? new IOException("out of reach") : null;
            _store.Writes = 0;
            await Assert.ThrowsAsync<IOException>(Boot);
        }

        _store.Fail = null;
        BootedNode booted = await Boot();
        Assert.Equal((2L, false), (booted.Run, booted.IsLost));
    }

    /// <summary>Two nodes that begin a cluster at once each thought of an id; the slower one's directory kept its own, and its next start was refused.</summary>
    [Fact]
    public async Task A_node_that_loses_the_race_for_the_first_status_takes_the_winners_cluster()
    {
        var other = new Guid("ffffffff-4455-6677-8899-aabbccddeeff");
        _store.BeforeWrite = async () =>
        {
            _store.BeforeWrite = null;
            await _store.TryWriteAsync(First(other).With(1, new NodeStatus(1)).ToBytes(), 0);
        };
        BootedNode booted = await Boot();
        Assert.Equal((other, 1L, false), (booted.Status.Cluster, booted.Run, booted.IsLost));
        Assert.Equal(other, NodeFile.TryRead(_disk, Place)!.Value.Cluster);
        Assert.Equal((2L, false), Told(await Boot()));
    }

    [Fact]
    public async Task A_start_that_another_nodes_start_comes_before_is_tried_again_and_counts_once()
    {
        await Boot();
        _store.BeforeWrite = async () =>
        {
            _store.BeforeWrite = null;
            ClusterStatusEntry entry = (await _store.ReadAsync())!;
            await _store.TryWriteAsync(ClusterStatus.Read(entry.Content).With(1, new NodeStatus(9)).ToBytes(), entry.Version);
        };
        Assert.Equal((2L, false), Told(await Boot()));
        Assert.Equal((9L, 2L), ((await Status()).NodeOf(1).Run, (await Status()).NodeOf(Node).Run));
    }

    [Fact]
    public async Task A_wiped_directory_is_lost()
    {
        await Boot();
        _disk = new FaultyFileSystem();
        Assert.Equal((2L, true), Told(await Boot()));
    }

    [Fact]
    public async Task A_directory_set_back_to_an_older_copy_is_lost()
    {
        await Boot();
        FaultyFileSystem copy = _disk.Crash(CrashLoss.Nothing).Disk;
        await Boot();
        _disk = copy;
        Assert.Equal((3L, true), Told(await Boot()));
    }

    [Fact]
    public async Task A_damaged_node_file_is_lost()
    {
        await Boot();
        _disk.FlipBit(Place + "/node", 40, 0);
        Assert.Equal((2L, true), Told(await Boot()));
        Assert.Equal((3L, true), Told(await Boot()));
    }

    [Fact]
    public async Task What_is_lost_stays_lost_until_the_replicas_know()
    {
        await Boot();
        _disk = new FaultyFileSystem();
        Assert.Equal((2L, true), Told(await Boot()));
        BootedNode again = await Boot();
        Assert.Equal((3L, true), Told(again));
        NodeBoot.Confirm(_disk, Place, _cluster, Node, again.Run);
        Assert.Equal((4L, false), Told(await Boot()));
    }

    [Fact]
    public async Task A_lost_disk_stays_lost_through_a_crash_before_the_status_is_written()
    {
        await Boot();
        _disk = new FaultyFileSystem();
        _store.Fail = _ => new IOException("out of reach");
        await Assert.ThrowsAsync<IOException>(Boot);
        _store.Fail = null;
        Assert.Equal((2L, true), Told(await Boot()));
    }

    [Fact]
    public async Task A_power_cut_at_any_operation_of_a_start_neither_loses_the_disk_nor_counts_a_run_twice()
    {
        for (int stop = 1; stop < 20; stop++)
        {
            var store = new BootStore();
            var disk = new FaultyFileSystem(stop);
            Assert.Equal((1L, false), Told(await Boot(disk, store)));
            disk.StopAt(disk.OperationCount + stop, stop % 2 == 0 ? StopMoment.Before : StopMoment.Halfway);
            bool isCrashed = false;
            try
            {
                Assert.Equal((2L, false), Told(await Boot(disk, store)));
            }
            catch (SimulatedCrashException)
            {
                isCrashed = true;
            }

            foreach (CrashState state in disk.CrashStates(8))
            {
                var after = new BootStore();
                await after.TryWriteAsync((await store.ReadAsync())!.Content, 0);
                long told = ClusterStatus.Read((await store.ReadAsync())!.Content).NodeOf(Node).Run;
                BootedNode booted = await Boot(state.Disk, after);
                Assert.False(booted.IsLost, $"stop {stop}: {state}");
                Assert.True(booted.Run > told, $"stop {stop}: run {booted.Run} after {told}");
            }

            if (!isCrashed) return;
        }

        Assert.Fail("A start has fewer operations than that.");
    }

    [Fact]
    public async Task A_directory_of_another_node_or_cluster_is_refused_and_stays_as_it_is()
    {
        await Boot();
        foreach (NodeRecord other in (NodeRecord[])[new(_cluster, Node + 1, 1), new(new Guid("ffffffff-4455-6677-8899-aabbccddeeff"), Node, 1)])
        {
            NodeFile.Write(_disk, Place, other);
            await Assert.ThrowsAsync<FormatMismatchException>(Boot);
            Assert.Equal(other, NodeFile.TryRead(_disk, Place));
            Assert.Equal(1, (await Status()).NodeOf(Node).Run);
        }
    }

    [Fact]
    public async Task A_directory_that_was_used_without_a_status_is_refused_and_no_status_is_made()
    {
        await Boot();
        foreach (bool isDamaged in (bool[])[false, true])
        {
            if (isDamaged) _disk.FlipBit(Place + "/node", 40, 0);
            var empty = new BootStore();
            await Assert.ThrowsAsync<FormatMismatchException>(() => Boot(_disk, empty));
            Assert.Null(await empty.ReadAsync());
        }
    }

    /// <summary>The write may have happened: then the status holds this very start, and a first start looked as if the disk had been wiped.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task After_an_unknown_outcome_the_start_is_made_again_and_a_first_one_is_not_taken_for_lost(bool isDone)
    {
        _store.Unknown = number => number <= 2 ? isDone : null;
        _store.Writes = 0;
        BootedNode booted = await Boot();
        Assert.False(booted.IsLost);
        Assert.Equal(isDone ? 2 : 1, booted.Run);
        Assert.Equal(booted.Run, (await Status()).NodeOf(Node).Run);
        Assert.Equal(booted.Run, NodeFile.TryRead(_disk, Place)!.Value.Run);
        Assert.Equal((booted.Run + 1, false), Told(await Boot()));
    }

    [Fact]
    public async Task A_store_out_of_reach_ends_the_start_before_anything_is_written()
    {
        await Boot();
        _store.IsUnreachable = true;
        await Assert.ThrowsAsync<IOException>(Boot);
        Assert.Equal(1, NodeFile.TryRead(_disk, Place)!.Value.Run);
    }

    [Fact]
    public async Task A_start_says_which_zone_and_program_it_is_and_a_node_that_joins_keeps_nothing_yet()
    {
        await Boot(_disk, _store, "east");
        Assert.Equal(new NodeStatus(1, "east", Keeps: true, ProtocolVersions.Own.Highest), (await Status()).NodeOf(Node));
        Assert.Equal(new NodeStatus(0, null, Keeps: true, 0), (await Status()).NodeOf(1));
        await Boot(_disk, _store, "west");
        Assert.Equal("west", (await Status()).NodeOf(Node).Zone);
        await NodeBoot.RunAsync(new FaultyFileSystem(), Place, new NodeStart(7), _store, () => First(_cluster));
        Assert.Equal(new NodeStatus(1, null, Keeps: false, ProtocolVersions.Own.Highest), (await Status()).NodeOf(7));
    }

    [Fact]
    public async Task A_cluster_speaks_a_later_version_once_each_node_that_keeps_shards_does_and_never_goes_back()
    {
        foreach (int node in (int[])[1, 2, 3]) await Start(node, new ProtocolVersions(1, 1));
        Assert.Equal(1, (await Status()).Speaks);
        await Start(1, new ProtocolVersions(1, 2));
        await Start(2, new ProtocolVersions(1, 2));
        await Start(1, new ProtocolVersions(1, 1));   // Back to the release before: one does not.
        await Start(3, new ProtocolVersions(1, 2));
        await Start(4, new ProtocolVersions(1, 2));   // It keeps nothing.
        Assert.Equal(1, (await Status()).Speaks);
        await Start(1, new ProtocolVersions(1, 3));
        Assert.Equal(2, (await Status()).Speaks);

        await Assert.ThrowsAsync<FormatMismatchException>(() => Start(2, new ProtocolVersions(1, 1)));
        await Assert.ThrowsAsync<FormatMismatchException>(() => Start(2, new ProtocolVersions(3, 4)));   // Two releases at once.
        Assert.Equal(new NodeStatus(2, Keeps: true, Version: 2), (await Status()).NodeOf(2));
        Assert.Equal(2, NodeFile.TryRead(_disk, $"{Place}2")!.Value.Run);   // Nothing was written.
        await Start(4, new ProtocolVersions(2, 3));
        Assert.Equal(2, (await Status()).Speaks);
    }

    [Fact]
    public void A_node_whose_program_is_too_old_by_now_is_given_no_shards()
    {
        ClusterStatus status = First(_cluster) with { Speaks = 2 };
        Assert.Throws<InvalidOperationException>(() => status.With(7, new NodeStatus(1, Version: 1)).WithKeeps(7, keeps: true));
        Assert.True(status.With(7, new NodeStatus(1, Version: 2)).WithKeeps(7, keeps: true).NodeOf(7).Keeps);
        Assert.True(status.WithKeeps(7, keeps: true).NodeOf(7).Keeps);   // It was not started yet.
    }

    [Fact]
    public void A_node_keeps_the_shards_whose_old_or_new_ensemble_it_is_in()
    {
        ClusterStatus status = ClusterStatus.New(_cluster, [1, 2, 3], [(0, [1, 2]), (1, [1, 3]), (2, [1])])
            .With(2, new ShardStatus(1, ShardStatus.Nobody, [1], [1, 2], "n"));
        Assert.Equal([0L, 2L], status.Shards.Where(shard => shard.Value.IsKeptBy(2)).Select(shard => shard.Key));
    }

    private static (long Run, bool IsLost) Told(BootedNode booted) => (booted.Run, booted.IsLost);

    private static ClusterStatus First(Guid cluster) => ClusterStatus.New(cluster, [1, 2, 3], [(0, [1, 2, 3])]);

    private static Task<BootedNode> Boot(IFileSystem disk, IClusterStatusStore store, string? zone = null) => NodeBoot.RunAsync(disk, Place, new NodeStart(Node, zone), store, () => First(_cluster));

    private Task<BootedNode> Start(int node, ProtocolVersions versions) => NodeBoot.RunAsync(_disk, $"{Place}{node}", new NodeStart(node) { Versions = versions }, _store, () => First(_cluster));

    private Task<BootedNode> Boot() => Boot(_disk, _store);

    private async Task<ClusterStatus> Status() => ClusterStatus.Read((await _store.ReadAsync())!.Content);

    /// <summary>A status store that fails when it is told to.</summary>
    private sealed class BootStore : IClusterStatusStore
    {
        private readonly MemoryClusterStatusStore _inner = new();

        internal int Writes { get; set; }

        internal bool IsUnreachable { get; set; }

        /// <summary>How a write fails, by its number; null for not at all.</summary>
        internal Func<int, Exception?>? Fail { get; set; }

        /// <summary>Whether a write whose outcome is unknown is done, by its number; null for one that is answered.</summary>
        internal Func<int, bool?>? Unknown { get; set; }

        internal Func<Task>? BeforeWrite { get; set; }

        public ValueTask<ClusterStatusEntry?> ReadAsync(CancellationToken cancellationToken = default) =>
            IsUnreachable ? throw new IOException("out of reach") : _inner.ReadAsync(cancellationToken);

        public async ValueTask<long?> TryWriteAsync(ReadOnlyMemory<byte> content, long expectedVersion, CancellationToken cancellationToken = default)
        {
            int number = ++Writes;
            if (BeforeWrite is { } before) await before();
            if (Fail?.Invoke(number) is { } failure) throw failure;
            if (Unknown?.Invoke(number) is not { } isDone) return await _inner.TryWriteAsync(content, expectedVersion, cancellationToken);
            if (isDone) await _inner.TryWriteAsync(content, expectedVersion, cancellationToken);
            throw new OutcomeUnknownException("The answer did not come.");
        }

        public IAsyncEnumerable<ClusterStatusEntry> WatchAsync(long afterVersion, CancellationToken cancellationToken = default) => _inner.WatchAsync(afterVersion, cancellationToken);
    }
}
