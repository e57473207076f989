using System.Buffers;
using System.Runtime.CompilerServices;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Topics;
using Tidemark.Replication.Shards;

namespace Tidemark.Replication.Topics;

/// <summary>A partition whose changes are commands to a shard, wherever that is kept.</summary>
internal abstract class ShardPartition(int number, ProposalPool proposals, TimeProvider time) : TopicPartition
{
    internal override int Number => number;

    protected TimeProvider Time => time;

    /// <summary>Whether what is acknowledged may be elsewhere first.</summary>
    protected abstract bool IsReplicated { get; }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal override async ValueTask<AppendResult> AppendAsync(IReadOnlyList<TopicMessage> messages, ProducerTicket? ticket, long? expectedOffset, CancellationToken cancellationToken)
    {
        Proposal proposal = proposals.Rent((ushort)TopicCommand.Append);
        try
        {
            var head = new BatchHead(0, expectedOffset, ticket?.Producer, ticket?.Sequence ?? 0, 0, messages.Count);
            BatchCodec.Write(proposal.Payload, head, messages, time.GetUtcNow());
            await SubmitAsync(proposal, cancellationToken).ConfigureAwait(false);
            return ToResult(number, TopicAnswer.Read(proposal.Answer.WrittenSpan));
        }
        finally
        {
            proposal.LetGo();
        }
    }

    internal override async ValueTask RegisterAsync(Guid producer, CancellationToken cancellationToken)
    {
        StoreStatus status = await CommandAsync(TopicCommand.RegisterProducer, output => CommandWriter.WriteIdAlone(output, producer), cancellationToken).ConfigureAwait(false);
        if (status != StoreStatus.Ok) throw Refused(number, status);
    }

    internal override async ValueTask ForgetAsync(Guid producer, CancellationToken cancellationToken) =>
        await CommandAsync(TopicCommand.ForgetProducers, output => CommandWriter.WriteForgetClient(output, producer), cancellationToken).ConfigureAwait(false);

    internal override async ValueTask ReleaseAsync(long before, CancellationToken cancellationToken) =>
        await CommandAsync(TopicCommand.Release, TopicCommands.Numbers([before]), cancellationToken).ConfigureAwait(false);

    /// <summary>Brings somebody else's command to the shard.</summary>
    /// <param name="command">Its kind.</param>
    /// <param name="payload">The command.</param>
    /// <param name="patience">How long it may be tried.</param>
    /// <returns>What the machine answers.</returns>
    internal async ValueTask<ReadOnlyMemory<byte>> CommandAsync(ushort command, ReadOnlyMemory<byte> payload, TimeSpan patience)
    {
        Proposal proposal = proposals.Rent(command);
        try
        {
            proposal.Patience = patience;
            proposal.Payload.Write(payload.Span);
            await SubmitAsync(proposal, CancellationToken.None).ConfigureAwait(false);
            return proposal.Answer.WrittenSpan.ToArray();
        }
        finally
        {
            proposal.LetGo();
        }
    }

    protected ValueTask<StoreStatus> CommandAsync(TopicCommand command, byte[] payload, CancellationToken cancellationToken) =>
        CommandAsync(command, output => output.Write(payload), cancellationToken);

    /// <summary>Has a command done that comes to the same when it is done twice.</summary>
    protected ValueTask<StoreStatus> CommandAsync(TopicCommand command, Action<IBufferWriter<byte>> write, CancellationToken cancellationToken) =>
        Repetition.OnUnknownAsync(IsReplicated, () => CommandOnceAsync(command, write, cancellationToken));

    /// <summary>Takes a command on its way; it is finished later.</summary>
    /// <exception cref="ObjectDisposedException">The partition is closed.</exception>
    protected abstract void Send(Proposal proposal);

    private async ValueTask<StoreStatus> CommandOnceAsync(TopicCommand command, Action<IBufferWriter<byte>> write, CancellationToken cancellationToken)
    {
        Proposal proposal = proposals.Rent((ushort)command);
        try
        {
            write(proposal.Payload);
            await SubmitAsync(proposal, cancellationToken).ConfigureAwait(false);
            return TopicAnswer.Read(proposal.Answer.WrittenSpan).Status;
        }
        finally
        {
            proposal.LetGo();
        }
    }

    private ValueTask SubmitAsync(Proposal proposal, CancellationToken cancellationToken)
    {
        ValueTask done = proposal.Completion(cancellationToken);
        try
        {
            Send(proposal);
        }
        catch (Exception e)
        {
            proposal.Finish(e);
        }

        return done;
    }

    /// <summary>What the answer to an append says.</summary>
    /// <exception cref="WriteRefusedException">It was refused.</exception>
    internal static AppendResult ToResult(int number, in TopicAnswer answer)
    {
        AppendStatus status = answer switch
        {
            { Status: StoreStatus.VersionMismatch } => AppendStatus.OffsetConflict,
            { Status: not StoreStatus.Ok } => throw Refused(number, answer.Status),
            { Count: 0 } => AppendStatus.Duplicate,
            _ => AppendStatus.Appended,
        };
        return new AppendResult(status, number, answer.Offset, answer.Count, answer.Duplicates, answer.Timestamp);
    }

    private static WriteRefusedException Refused(int number, StoreStatus status) => new(status, $"Partition {number} refused: {status}. Nothing was appended.");
}
