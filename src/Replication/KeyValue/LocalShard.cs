using Tidemark.Core.KeyValue;
using Tidemark.Core.Replication;
using Tidemark.Core.State;
using Tidemark.Replication.Shards;

namespace Tidemark.Replication.KeyValue;

/// <summary>A shard whose state is in this process, or may be: reads look at it directly, writes go through its host, or on the way to whichever node leads it.</summary>
internal sealed class LocalShard : StoreShard
{
    private readonly KvMachine? _machine;
    private readonly IShardRoute? _route;
    private readonly ChangeSignal _changed = new();

    internal LocalShard(KvMachine machine, ProposalPool proposals)
        : base(proposals) => _machine = machine;

    /// <summary>One that several nodes keep.</summary>
    internal LocalShard(IShardRoute route, ProposalPool proposals)
        : base(proposals) => _route = route;

    internal KvMachine Machine => _machine ?? _route!.Machine;

    internal override bool IsReplicated => _route is not null;

    /// <summary>Whether reads may look at the state here.</summary>
    internal bool IsHere => _route?.IsHere ?? true;

    internal ShardHost Host { get; set; } = null!;   // Set right after: the host is made with the machine's hooks.

    /// <summary>Finds changes behind an entry that the state keeps no more, about so many bytes of them, or null; itself null where nothing remembers them for longer.</summary>
    internal Func<long, int, CancellationToken, Task<PastChanges?>>? FindPastAsync { get; set; }

    /// <summary>The leader's part of the machine, once the host runs.</summary>
    internal KvLeader Leader { get; set; } = null!;

    internal override long Id => _route?.ShardId ?? Host.ShardId;

    /// <summary>Completes when the next batch of entries has been applied, or the shard is closed. Take it before looking.</summary>
    internal Task Changed => _route?.Changed ?? _changed.Next;

    /// <summary>What readers see now.</summary>
    internal StateView View => Machine.Table.Published;

    /// <summary>A look at the state that does not change.</summary>
    internal StateReader Open()
    {
        while (true)
        {
            ThrowIfClosed();
            KvMachine machine = Machine;
            try
            {
                return StateReader.Open(machine.Table);
            }
            catch (ObjectDisposedException) when (_route is not null && !IsClosed)
            {
                // Its engine was closed: another state took its place, or the node's run ends.
                if (machine == Machine) throw new ShardUnavailableException(Id, $"Shard {Id}: the node's replicas are being opened again.", ShardStatus.Nobody);
            }
        }
    }

    /// <summary>Completes when reads see what their level asks for.</summary>
    /// <returns>The last entry that they must see.</returns>
    internal ValueTask<long> ReadyToReadAsync(ReadLevel level, CancellationToken cancellationToken) => _route?.ReadyToReadAsync(level, cancellationToken) ?? new ValueTask<long>(View.AppliedOffset);

    /// <summary>Completes when it is known where a watch begins that was called for now.</summary>
    internal Task<long> WatchFromAsync() => _route?.WatchFromAsync() ?? Task.FromResult(View.AppliedOffset);

    internal override bool IsReachable => !IsClosed && (_route is not null || Host.Failure is null);

    protected override Type Owner => typeof(TidemarkStore);

    /// <summary>The host's thread: shows readers what was applied.</summary>
    internal void Publish()
    {
        Machine.Table.Publish(Machine.Position.Offset);
        _changed.Raise();
    }

    internal override void Close()
    {
        base.Close();
        _changed.Raise();
    }

    protected override void Send(Proposal proposal)
    {
        if (_route is null) Host.Submit(proposal);
        else _route.Submit(proposal);
    }

    internal override Task<bool> KeepAliveAsync(Guid session)
    {
        if (_route is not null) return _route.KeepAliveAsync(session);
        var answer = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        Host.KeepAlive(session, (isAlive, unknown) =>
        {
            if (unknown is ShardUnavailableException) answer.SetException(unknown);
            else answer.SetResult(isAlive);
        });
        return answer.Task;
    }

    /// <summary>Looks at the state at the newest entry that was applied.</summary>
    /// <exception cref="StoreFailedException">The shard failed: what it shows may not be what its log says.</exception>
    internal Task<IStateSnapshot> TakeSnapshotAsync() => Host.LookAsync(Machine.TakeSnapshot);
}
