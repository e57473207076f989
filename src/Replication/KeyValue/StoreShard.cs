using System.Buffers;
using System.Diagnostics;
using System.Runtime.CompilerServices;

using Tidemark.Core.KeyValue;
using Tidemark.Replication.Shards;

namespace Tidemark.Replication.KeyValue;

/// <summary>A shard as its writers see it: commands go in, answers come out, wherever it is kept.</summary>
internal abstract class StoreShard(ProposalPool proposals)
{
    private volatile bool _isClosed;

    internal abstract long Id { get; }

    /// <summary>Whether what is acknowledged may be elsewhere first.</summary>
    internal abstract bool IsReplicated { get; }

    internal bool IsClosed => _isClosed;

    /// <summary>Whether commands can still come through.</summary>
    internal virtual bool IsReachable => !IsClosed;

    /// <summary>What is closed when the shard is, for people.</summary>
    protected abstract Type Owner { get; }

    internal void ThrowIfClosed() => ObjectDisposedException.ThrowIf(_isClosed, Owner);

    /// <summary>No read or write begins from now on.</summary>
    internal virtual void Close() => _isClosed = true;

    internal Proposal Rent(KvCommand command) => proposals.Rent((ushort)command);

    /// <summary>Sends a command through the log and waits until it is applied. The caller reads the answer and then lets go of the proposal.</summary>
    internal ValueTask SubmitAsync(Proposal proposal, CancellationToken cancellationToken)
    {
        ValueTask done = proposal.Completion(cancellationToken);
        try
        {
            ThrowIfClosed();
            Send(proposal);
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

    /// <summary>As <see cref="SubmitAsync"/>, for a command whose answer is read as a whole.</summary>
    internal async ValueTask<TAnswer> AskAsync<TAnswer>(KvCommand command, Action<IBufferWriter<byte>> write, Func<ReadOnlySpan<byte>, TAnswer> read, CancellationToken cancellationToken)
    {
        Proposal proposal = Rent(command);
        try
        {
            write(proposal.Payload);
            await SubmitAsync(proposal, cancellationToken).ConfigureAwait(false);
            return read(proposal.Answer.WrittenSpan);
        }
        finally
        {
            proposal.LetGo();
        }
    }

    /// <summary>As <see cref="AskAsync"/>, for a command that answers a status alone, and comes to the same when it is done twice.</summary>
    internal ValueTask<StoreStatus> CommandAsync(KvCommand command, Action<IBufferWriter<byte>> write, CancellationToken cancellationToken) => Repetition.OnUnknownAsync(
        IsReplicated, () => AskAsync(command, write, static answer => KvAnswer.ReadSingle(answer, out _).Status, cancellationToken));

    /// <summary>Asks the leader to keep a session alive.</summary>
    /// <returns>Whether it lives.</returns>
    /// <exception cref="ShardUnavailableException">That cannot be known.</exception>
    internal abstract Task<bool> KeepAliveAsync(Guid session);

    internal static WriteResult ReadResult(ReadOnlySpan<byte> bytes, StoreKey key)
    {
        KvAnswer answer = KvAnswer.ReadSingle(bytes, out KvResult result);
        StoreStatus status = answer.Status == StoreStatus.Ok ? result.Status : answer.Status;
        return new WriteResult(status, result.Key is { } made ? new StoreKey(made) : key, result.Version, answer.Timestamp, result.Count);
    }

    /// <summary>Takes a command on its way; it is finished later.</summary>
    protected abstract void Send(Proposal proposal);
}
