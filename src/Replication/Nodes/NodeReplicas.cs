using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

using Tidemark.Core.Replication;
using Tidemark.Replication.Cluster;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Topics;
using Tidemark.Replication.Wire;
using Tidemark.Storage.Files;

namespace Tidemark.Replication.Nodes;

/// <summary>A shard of a node: its host, and the state that its host has at the moment.</summary>
internal sealed class ReplicaHost : IDisposable
{
    private long _shown = -1;

    internal required long ShardId { get; init; }

    internal required ShardKind Kind { get; init; }

    internal ShardHost Host { get; set; } = null!;   // Set right after: the host is made with this object's hooks.

    internal ShardState State { get; private set; } = null!;

    internal IStateMachine Machine => State.Machine;

    /// <summary>Reads the messages of a partition; null where the shard is none.</summary>
    internal PartitionReads? Reads { get; private set; }

    /// <summary>Any thread: the last entry whose effects readers see.</summary>
    internal long Shown => Volatile.Read(ref _shown);

    /// <summary>It has this state from now on.</summary>
    internal void Use(ShardState state, FilePool pool)
    {
        PartitionReads? before = Reads;
        Volatile.Write(ref _shown, -1);
        State = state;
        Reads = Kind.OpenReads(state, pool, () => Host?.Wake?.Invoke());
        before?.Dispose();
    }

    /// <summary>The shard's thread: shows readers the state.</summary>
    internal void Publish()
    {
        Kind.Publish(this);
        Volatile.Write(ref _shown, Machine.Position.Offset);
    }

    /// <summary>Lets go of what its readers hold, once the host is closed.</summary>
    public void Dispose()
    {
        Reads?.Dispose();
        (Machine as IDisposable)?.Dispose();
    }
}

/// <summary>How replicas reach the rest of their node and of the cluster. Called from any thread.</summary>
/// <param name="Send">Sends to one node.</param>
/// <param name="Tell">Sends to all nodes.</param>
/// <param name="Post">Has something done on the node's thread.</param>
/// <param name="IsClockFit">Whether the node's clock may stamp entries.</param>
internal sealed record ReplicaLinks(Action<int, ShardMessage> Send, Action<ShardMessage> Tell, Action<Action> Post, Func<bool> IsClockFit);

/// <summary>The replicas of a node: those that the status wants there are opened, and those that it does not are closed and their files deleted.</summary>
/// <remarks><see cref="All"/> may be read by any thread; all else belongs to the node's.</remarks>
internal sealed class NodeReplicas
{
    private const int RunBits = 20;

    private readonly NodeHostOptions _options;
    private readonly ReplicaLinks _links;
    private readonly ConcurrentDictionary<long, ReplicaHost> _all = new();
    private readonly Dictionary<long, Tenure> _tenures = [];

    internal NodeReplicas(NodeHostOptions options, ReplicaLinks links)
    {
        (_options, _links) = (options, links);
        BootedNode booted = options.Booted;
        try
        {
            Dictionary<long, ClusterPartition> partitions = booted.Status.Partitions();
            for (long shard = 0; shard < booted.Status.NextShard; shard++)   // Also those that are no more: their topic may have been deleted while this node was down.
            {
                if (booted.Status.Shards.TryGetValue(shard, out ShardStatus? status) && status.IsKeptBy(options.Node)) Open(shard, partitions.GetValueOrDefault(shard), status.Term, isFirst: status.IsNew, booted.IsLost);
                else ReplicaDirectory.Remove(options.Disk, shard);
            }

            if (booted.IsLost) NodeBoot.Confirm(options.Disk.Pool.Files, options.Disk.Directory, options.Disk.Cluster, options.Node, booted.Run);
        }
        catch
        {
            foreach (ReplicaHost replica in _all.Values) replica.Host.Dispose();
            throw;
        }
    }

    internal IReadOnlyDictionary<long, ReplicaHost> All => _all;

    /// <summary>Called when a replica was opened, before anything reaches it.</summary>
    internal Action<ReplicaHost>? Opened { get; set; }

    /// <summary>Called with a replica that nothing reaches any more, and with what is to be done, in any thread, once nobody drives it.</summary>
    internal Action<ReplicaHost, Action>? Released { get; set; }

    /// <summary>The status has changed.</summary>
    internal void Follow(ClusterStatus status, DateTimeOffset now)
    {
        Dictionary<long, ClusterPartition> partitions = status.Partitions();
        foreach ((long shard, ShardStatus found) in status.Shards)
        {
            ReplicaHost? replica = _all.GetValueOrDefault(shard);
            if (found.IsKeptBy(_options.Node))
            {
                Tenure? before = _tenures.GetValueOrDefault(shard);
                if (replica is null && before is not { IsEnding: true }) Open(shard, partitions.GetValueOrDefault(shard), Math.Max(found.Term, before?.Term ?? 0), IsFirst(shard, found, before), isLost: false);
                else if (replica?.Kind.Follow(partitions.GetValueOrDefault(shard)) == true) replica.Host.Post(_ => replica.Kind.Configure(replica.State.Log));
            }
            else if (replica is not null)
            {
                if (found.Leader == _options.Node) replica.Host.Receive(_options.Node, new ShardMessage(shard, new NewTerm(found.Term)));   // No election asks it any more, and it may lead without knowing.
                else Release(replica, found, now);
            }
        }

        foreach (ReplicaHost replica in _all.Values)
        {
            if (!status.Shards.ContainsKey(replica.ShardId)) Release(replica, null, now);
        }
    }

    /// <summary>Whether this node cannot have had anything of a shard before: nobody has, or there was no such shard when the node was started, and none was opened since.</summary>
    private bool IsFirst(long shard, ShardStatus status, Tenure? before) => status.IsNew || (before is null && shard >= _options.Booted.Status.NextShard);

    /// <summary>Closes a replica and deletes its files. Should it be wanted again before that is done, it waits.</summary>
    /// <param name="replica">The replica.</param>
    /// <param name="status">Of its shard; null where that is no more.</param>
    /// <param name="now">The time.</param>
    private void Release(ReplicaHost replica, ShardStatus? status, DateTimeOffset now)
    {
        Tenure tenure = _tenures[replica.ShardId];
        tenure.IsEnding = true;
        _all.TryRemove(replica.ShardId, out _);
        if (status is null) NodeMessages.ShardDeleted(_options.Disk.Logger, _options.Node, replica.ShardId);
        else NodeMessages.ShardLeft(_options.Disk.Logger, _options.Node, replica.ShardId, string.Join(", ", status.Ensemble));
        Action end = () =>
        {
            Exception? failure = null;
            try
            {
                replica.Host.CloseForGood(now);
                replica.Dispose();
                ReplicaDirectory.Remove(_options.Disk, replica.ShardId);
            }
            catch (Exception e)
            {
                failure = e;
            }

            _links.Post(() => End(tenure, replica.Host.Core.Term, failure));
        };
        if (Released is { } released) released(replica, end);
        else end();
    }

    /// <exception cref="IOException">The files could not be deleted. The node's next start tries again.</exception>
    private static void End(Tenure tenure, long term, Exception? failure)
    {
        if (failure is not null) ExceptionDispatchInfo.Throw(failure);
        tenure.Term = term;   // What it was fenced to may be more than the status said when it was read last.
        tenure.IsEnding = false;
    }

    private void Open(long shard, ClusterPartition? partition, long term, bool isFirst, bool isLost)
    {
        if (!_tenures.TryGetValue(shard, out Tenure? tenure)) _tenures[shard] = tenure = new Tenure();
        ShardKind kind = _options.KindOf(shard, partition);
        NodeDisk disk = _options.Disk;
        (ReplicaDirectory directory, ShardState state, LogTerms terms) = ReplicaDirectory.Open(disk, shard, kind, term, isFirst, isLost);
        var replica = new ReplicaHost { ShardId = shard, Kind = kind };
        replica.Use(state, disk.Pool);
        replica.Host = new ShardHost(new ShardHostOptions
        {
            ShardId = shard,
            Name = FormattableString.Invariant($"node {_options.Node} shard {shard}"),
            State = state,
            Pool = disk.Pool,
            Publish = () =>
            {
                replica.Publish();
                _options.Published?.Invoke(replica);
            },
            Applied = _options.Applied is { } applied ? record => applied(replica, record) : null,
            CreateLeader = (_, now) => kind.CreateLeader(replica, now),
            Clock = disk.Clock,
            TimeProvider = _options.TimeProvider,
            ScrubInterval = _options.ScrubInterval,
            MostHeldBytes = partition is null ? _options.MostHeldBytes : null,   // Topics are not archived.
            Logger = disk.Logger,
            Replica = new ReplicaOptions
            {
                Node = _options.Node,
                Run = (_options.Booted.Run << RunBits) + tenure.Openings++,   // What was said before it was deleted is of an earlier run, as if the node had been started since.
                StatusTerm = term,
                Terms = terms,
                Disk = directory,
                Send = _links.Send,
                Tell = _links.Tell,
                IsClockFit = _links.IsClockFit,
                Replaced = next => replica.Use(next, disk.Pool),
                Heartbeat = _options.Times.Beat,
                Patience = _options.LeaderPatience,
                MarkInterval = _options.MarkInterval,
            },
        });
        Opened?.Invoke(replica);
        _all[shard] = replica;
    }

    /// <summary>A shard on this node, in one run of the node.</summary>
    private sealed class Tenure
    {
        /// <summary>How often its replica was opened.</summary>
        internal int Openings { get; set; }

        /// <summary>The term that the last one had, once it was closed and deleted.</summary>
        internal long Term { get; set; }

        /// <summary>Whether one is being closed.</summary>
        internal bool IsEnding { get; set; }
    }
}
