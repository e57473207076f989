using Microsoft.Extensions.Logging;

using Tidemark.Core.Replication;
using Tidemark.Replication.Cluster;

namespace Tidemark;

/// <summary>How a <see cref="TidemarkNode"/> is started. Checked and frozen then.</summary>
public sealed record TidemarkNodeOptions
{
    private const int MaxZoneLength = 64;

    /// <summary>The node's number: 0 or more, unique in the cluster, and always the same for a directory.</summary>
    public required int Node { get; init; }

    /// <summary>Where it keeps its replicas. Created private to its owner. One process at a time may have it open.</summary>
    public required string Directory { get; init; }

    /// <summary>The nodes of a cluster that is started for the first time. 1 to 9, or to 32 where <see cref="Replicas"/> are given. A node that is none of them joins a cluster that is there, by <see cref="TidemarkNode.AddNodeAsync"/>.</summary>
    public required IReadOnlyList<int> Members { get; init; }

    /// <summary>How many nodes keep each shard, 1 to 9: 3 bear the loss of one, 5 of two, 2 of none. Null: all, up to 9 nodes. Of a cluster that is started for the first time: what one that is there was started with stays, and another number is reported and ignored.</summary>
    public int? Replicas { get; init; }

    /// <summary>The label of what fails together with this node, a rack or a data centre: as far as there are enough zones, a shard's replicas are in different ones. 1 to 64 characters; null: the node fails alone. It may change with a restart.</summary>
    public string? Zone { get; init; }

    /// <summary>Where the cluster's status is kept. It stays the caller's, and is disposed after the node.</summary>
    public required IClusterStatusStore Status { get; init; }

    /// <summary>Makes the transport, given the cluster's id. The node starts and disposes it; where the node begins anew after a failure, it asks for another.</summary>
    public required Func<Guid, ITransport> CreateTransport { get; init; }

    /// <summary>Settings of the default namespace, the same on all nodes. The shard count never changes.</summary>
    public NamespaceOptions Namespace { get; init; } = new();

    /// <summary>What this node keeps its rows in; others may keep theirs otherwise. A directory stays with its engine. Default: <see cref="StorageEngine.Memory"/>.</summary>
    public StorageEngine Engine { get; init; } = StorageEngine.Memory;

    /// <summary>Engines on disk: how many bytes of rows gather in memory before they are handed over in one batch. Default 32 MiB; up to four times as much may gather while one is under way.</summary>
    public long EngineBatchBytes { get; init; } = 32L * 1024 * 1024;

    /// <summary>How often leaders and nodes say that they are there. Default 50 ms.</summary>
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>How long a node may be silent before it is taken for dead. At least four heartbeats; default 500 ms. A leader without a majority gives up after twice as long; and where a flush of a leader's takes longer than that, its node falls silent.</summary>
    public TimeSpan Suspicion { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long an operation waits for a leader. Default 10 s.</summary>
    public TimeSpan OperationTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long another node, or the status store, may take to answer one request. Of a write that went there the outcome is unknown then. Default 2 s.</summary>
    public TimeSpan AnswerPatience { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How often each state is read as a whole and compared with its running hash, to find what bad memory or a bad disk has changed. Null: never. At least 1 s; default 1 day.</summary>
    /// <remarks>Where they differ the replica is given up and copied from the others. One state after the other, on a thread of its own. docs/operations.md.</remarks>
    public TimeSpan? ScrubInterval { get; init; } = TimeSpan.FromDays(1);

    /// <summary>Where copies of the namespace's history go. Null: nowhere. The same on all nodes. docs/archive.md.</summary>
    public ArchiveOptions? Archive { get; init; }

    /// <summary>What clients that sync may call. Null: nothing. docs/rebase.md.</summary>
    /// <remarks>They run on the shards' threads. The same on all nodes: whichever leads runs them. Where there are any, each write of a shard costs a copy of its bytes more.</remarks>
    public Mutators? Mutators { get; init; }

    /// <summary>Whether a process that is no member may do something. Where it may not, it gets <see cref="NotAuthorizedException"/> and nothing happens. Null: who may connect may do everything.</summary>
    /// <remarks>Called on any thread, before anything is done; what throws refuses too. The same on all nodes: a client asks whichever it reaches. Keeping a session alive and ending it are not asked for: only who opened it knows its id.</remarks>
    public Func<ClientOperation, bool>? Authorize { get; init; }

    /// <summary>How many shards may take their turns at once, 1 to 64: each is given to one executor for good, which flushes up to four logs side by side. Default: one for each processor, at most 8.</summary>
    public int Executors { get; init; } = Math.Min(8, Environment.ProcessorCount);

    /// <summary>The engine in memory: the least log between two snapshot files of a shard. Default 64 MiB.</summary>
    public long SnapshotLogBytes { get; init; } = 64L * 1024 * 1024;

    /// <summary>A log's segment size. Default 64 MiB.</summary>
    public long LogSegmentBytes { get; init; } = 64L * 1024 * 1024;

    /// <summary>The disk. Default: <see cref="DiskFileSystem"/>.</summary>
    public IFileSystem FileSystem { get; init; } = DiskFileSystem.Instance;

    /// <summary>Clock and timers. Default: the system's.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Where to report. Default: nowhere.</summary>
    public ILoggerFactory? LoggerFactory { get; init; }

    /// <summary>The versions of the protocol that the node speaks.</summary>
    internal ProtocolVersions Versions { get; init; } = ProtocolVersions.Own;

    /// <summary>The status of the cluster before anybody was started.</summary>
    internal ClusterStatus NewStatus() => ClusterStatus.New(
        NewId(), Members, Enumerable.Range(0, Namespace.ShardCount).Select(shard => ((long)shard, Placement.First(shard, Members, Replicas))), Replicas, Versions);

    internal static Guid NewId()
    {
        Span<byte> bytes = stackalloc byte[16];
        System.Security.Cryptography.RandomNumberGenerator.Fill(bytes);
        return new Guid(bytes, bigEndian: true);
    }

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(Node);
        ArgumentException.ThrowIfNullOrEmpty(Directory);
        ArgumentNullException.ThrowIfNull(Members);
        ArgumentOutOfRangeException.ThrowIfLessThan(Members.Count, 1, nameof(Members));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Members.Count, Replicas is null ? ClusterStatus.MostReplicas : ClusterStatus.MostKeepers, nameof(Members));
        if (Replicas is { } replicas)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(replicas, 1, nameof(Replicas));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(replicas, ClusterStatus.MostReplicas, nameof(Replicas));
        }

        if (Zone is { } zone)
        {
            ArgumentException.ThrowIfNullOrEmpty(zone, nameof(Zone));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(zone.Length, MaxZoneLength, nameof(Zone));
        }

        if (Members.Distinct().Count() != Members.Count || Members.Any(node => node < 0)) throw new ArgumentException("Members are different numbers of 0 or more.", nameof(Members));
        ArgumentNullException.ThrowIfNull(Status);
        ArgumentNullException.ThrowIfNull(CreateTransport);
        ArgumentNullException.ThrowIfNull(Namespace);
        Namespace.Validate();
        Archive?.Validate();
        ArgumentOutOfRangeException.ThrowIfLessThan(Heartbeat, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(Suspicion, 4 * Heartbeat);
        if (ScrubInterval is { } scrub) ArgumentOutOfRangeException.ThrowIfLessThan(scrub, TimeSpan.FromSeconds(1), nameof(ScrubInterval));
        ArgumentOutOfRangeException.ThrowIfLessThan(OperationTimeout, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(AnswerPatience, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(Executors, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Executors, 64);
        ArgumentNullException.ThrowIfNull(Engine);
        Engine.RequireDisk(FileSystem, nameof(FileSystem));
        ArgumentOutOfRangeException.ThrowIfLessThan(EngineBatchBytes, 1024);
        ArgumentOutOfRangeException.ThrowIfLessThan(SnapshotLogBytes, 1024);
        ArgumentOutOfRangeException.ThrowIfLessThan(LogSegmentBytes, 4 * 1024);
        ArgumentNullException.ThrowIfNull(FileSystem);
        ArgumentNullException.ThrowIfNull(TimeProvider);
    }
}
