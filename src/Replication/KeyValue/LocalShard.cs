using System.Diagnostics;
using System.Runtime.CompilerServices;

using Tidemark.Core.KeyValue;
using Tidemark.Core.State;
using Tidemark.Replication.Shards;

namespace Tidemark.Replication.KeyValue;

/// <summary>A shard whose state is in this process: reads look at it directly, writes go through its host.</summary>
internal sealed class LocalShard
{
    private readonly ProposalPool _proposals;
    private TaskCompletionSource _changed = NewSignal();
    private volatile bool _isClosed;

    internal LocalShard(KvMachine machine, ProposalPool proposals)
    {
        Machine = machine;
        _proposals = proposals;
    }

    internal KvMachine Machine { get; }

    internal ShardHost Host { get; set; } = null!;   // Set right after: the host is made with the machine's hooks.

    /// <summary>The leader's part of the machine, once the host runs.</summary>
    internal KvLeader Leader { get; set; } = null!;

    internal long Id => Host.ShardId;

    /// <summary>Completes when the next batch of entries has been applied, or the shard is closed. Take it before looking.</summary>
    internal Task Changed => Volatile.Read(ref _changed).Task;

    internal bool IsClosed => _isClosed;

    /// <summary>What readers see now.</summary>
    internal StateView View => Machine.Table.Published;

    /// <summary>A look at the state that does not change.</summary>
    internal StateReader Open()
    {
        ThrowIfClosed();
        return StateReader.Open(Machine.Table);
    }

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
            Host.Submit(proposal);
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
        var answer = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        Host.Post(now => answer.SetResult(Host.Failure is null && Leader.TryKeepAlive(session, now)));
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
