using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Replication.Shards;

namespace Tidemark.Replication.KeyValue;

/// <summary>Fills in a command that carries a client's number.</summary>
internal delegate void WriteCommand(IBufferWriter<byte> output, WriteTicket? ticket);

/// <summary>Numbers a client's writes on each shard, one after another, so that each happens once.</summary>
/// <remarks>A number is used up once the write has an answer. One that surely has no place in the log keeps its number for the next write.</remarks>
internal sealed class ClientWrites(Guid id)
{
    private readonly Dictionary<LocalShard, Line> _lines = [];

    internal Guid Id => id;

    internal async ValueTask<StoreStatus> RegisterAsync(LocalShard shard, CancellationToken cancellationToken)
    {
        _lines[shard] = new Line();
        Proposal register = shard.Rent(KvCommand.RegisterClient);
        CommandWriter.WriteIdAlone(register.Payload, id);
        return await shard.CommandAsync(register, cancellationToken).ConfigureAwait(false);
    }

    internal async ValueTask ForgetAsync(LocalShard shard)
    {
        if (shard.IsClosed) return;
        Proposal forget = shard.Rent(KvCommand.ForgetClients);
        CommandWriter.WriteForgetClient(forget.Payload, id);
        await shard.CommandAsync(forget, CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Does a write as the client's next on the shard.</summary>
    /// <exception cref="WriteCanceledException">The wait was cancelled.</exception>
    internal async ValueTask<byte[]> WriteAsync(LocalShard shard, WriteCommand write, CancellationToken cancellationToken)
    {
        Line line = _lines[shard];
        await line.Turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        var ticket = new WriteTicket(id, line.Next, line.Next);   // All before it have their answers.
        Task<byte[]> answered = SendAsync(shard, line, write, ticket);
        try
        {
            return await answered.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested && !answered.IsCompleted)
        {
            throw new WriteCanceledException(new WriteId(id, shard.Id, ticket.Sequence), cancellationToken);
        }
    }

    private static async Task<byte[]> SendAsync(LocalShard shard, Line line, WriteCommand write, WriteTicket ticket)
    {
        Proposal proposal = shard.Rent(KvCommand.Write);
        try
        {
            write(proposal.Payload, ticket);
            await shard.SubmitAsync(proposal, CancellationToken.None).ConfigureAwait(false);
            line.Next++;
            return proposal.Answer.WrittenSpan.ToArray();
        }
        finally
        {
            proposal.LetGo();
            line.Turn.Release();
        }
    }

    private sealed class Line
    {
        internal SemaphoreSlim Turn { get; } = new(1);

        internal long Next { get; set; } = 1;
    }
}
