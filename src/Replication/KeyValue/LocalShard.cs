using System.Diagnostics;
using System.Runtime.CompilerServices;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Replication;
using Tidemark.Core.State;
using Tidemark.Replication.Shards;

namespace Tidemark.Replication.KeyValue;

/// <summary>A shard whose state is in this process: reads look at it directly, writes go through its host, or on the way to whichever node leads it.</summary>
internal sealed class LocalShard
{
    private readonly ProposalPool _proposals;
    private readonly KvMachine? _machine;
    private readonly IShardRoute? _route;
    private TaskCompletionSource _changed = NewSignal();
    private volatile bool _isClosed;

    internal LocalShard(KvMachine machine, ProposalPool proposals)
    {
        _machine = machine;
        _proposals = proposals;
    }

    /// <summary>One that several nodes keep.</summary>
    internal LocalShard(IShardRoute route, ProposalPool proposals) => (_route, _proposals) = (route, proposals);

    internal KvMachine Machine => _machine ?? _route!.Machine;

    /// <summary>Whether what is acknowledged may be elsewhere first.</summary>
    internal bool IsReplicated => _route is not null;

    internal ShardHost Host { get; set; } = null!;   // Set right after: the host is made with the machine's hooks.

    /// <summary>The leader's part of the machine, once the host runs.</summary>
    internal KvLeader Leader { get; set; } = null!;

    internal long Id => _route?.ShardId ?? Host.ShardId;

    /// <summary>Completes when the next batch of entries has been applied, or the shard is closed. Take it before looking.</summary>
    internal Task Changed => _route?.Changed ?? Volatile.Read(ref _changed).Task;

    internal bool IsClosed => _isClosed;

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
            catch (ObjectDisposedException) when (_route is not null && !_isClosed)
            {
                // Its engine was closed: another state took its place, or the node's run ends.
                if (machine == Machine) throw new ShardUnavailableException(Id, $"Shard {Id}: the node's replicas are being opened again.", ShardStatus.Nobody);
            }
        }
    }

    /// <summary>Completes when reads see what their level asks for.</summary>
    /// <returns>The last entry that they must see.</returns>
    internal ValueTask<long> ReadyToReadAsync(ReadLevel level, CancellationToken cancellationToken) => _route?.ReadyToReadAsync(level, cancellationToken) ?? new ValueTask<long>(View.AppliedOffset);

    /// <summary>Whether commands can still come through.</summary>
    internal bool IsReachable => !IsClosed && (_route is not null || Host.Failure is null);

    internal void ThrowIfClosed() => ObjectDisposedException.ThrowIf(_isClosed, typeof(TidemarkStore));

    /// <summary>The host's thread: shows readers what was applied.</summary>
    internal void Publish()
    {
        Machine.Table.Publish(Machine.Position.Offset);
        Signal();
    }

    /// <summary>No read or write begins from now on.</summary>
    internal void Close()
    {
        _isClosed = true;
        Signal();
    }

    internal Proposal Rent(KvCommand command) => _proposals.Rent((ushort)command);

    /// <summary>Sends a command through the log and waits until it is applied. The caller reads the answer and then lets go of the proposal.</summary>
    internal ValueTask SubmitAsync(Proposal proposal, CancellationToken cancellationToken)
    {
        ValueTask done = proposal.Completion(cancellationToken);
        try
        {
            ThrowIfClosed();
            if (_route is null) Host.Submit(proposal);
            else _route.Submit(proposal);
        }
        catch (Exception e)
        {
            proposal.Finish(e);
        }

        return done;
    }

    /// <summary>As <see cref="SubmitAsync"/>, for a write of one operation.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<WriteResult> WriteAsync(Proposal proposal, StoreKey key, CancellationToken cancellationToken)
    {
        using Activity? activity = TidemarkDiagnostics.ActivitySource.StartActivity(TidemarkDiagnostics.WriteActivity);
        try
        {
            await SubmitAsync(proposal, cancellationToken).ConfigureAwait(false);
            WriteResult result = ReadResult(proposal.Answer.WrittenSpan, key);
            activity?.SetTag("tidemark.shard", Id).SetTag("tidemark.status", result.Status.ToString());
            return result;
        }
        finally
        {
            proposal.LetGo();
        }
    }

    /// <summary>As <see cref="SubmitAsync"/>, for a command that answers a status alone.</summary>
    internal async ValueTask<StoreStatus> CommandAsync(Proposal proposal, CancellationToken cancellationToken)
    {
        try
        {
            await SubmitAsync(proposal, cancellationToken).ConfigureAwait(false);
            return KvAnswer.ReadSingle(proposal.Answer.WrittenSpan, out _).Status;
        }
        finally
        {
            proposal.LetGo();
        }
    }

    /// <summary>Asks the leader to keep a session alive.</summary>
    /// <returns>Whether it lives.</returns>
    internal Task<bool> KeepAliveAsync(Guid session)
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
    internal Task<IStateSnapshot> TakeSnapshotAsync()
    {
        var answer = new TaskCompletionSource<IStateSnapshot>(TaskCreationOptions.RunContinuationsAsynchronously);
        Host.Post(_ =>
        {
            try
            {
                if (Host.Failure is { } cause) throw new StoreFailedException($"Shard {Id} failed: {cause.Message} Close the store and open it again, then back it up.", cause);
                answer.SetResult(Machine.TakeSnapshot());
            }
            catch (Exception e)
            {
                answer.SetException(e);
            }
        });
        return answer.Task;
    }

    internal static WriteResult ReadResult(ReadOnlySpan<byte> bytes, StoreKey key)
    {
        KvAnswer answer = KvAnswer.ReadSingle(bytes, out KvResult result);
        StoreStatus status = answer.Status == StoreStatus.Ok ? result.Status : answer.Status;
        return new WriteResult(status, result.Key is { } made ? new StoreKey(made) : key, result.Version, answer.Timestamp, result.Count);
    }

    private void Signal()
    {
        TaskCompletionSource waiting = Interlocked.Exchange(ref _changed, NewSignal());
        waiting.TrySetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
