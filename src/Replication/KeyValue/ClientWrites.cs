using System.Buffers;

using Tidemark.Core.KeyValue;

namespace Tidemark.Replication.KeyValue;

/// <summary>Fills in a command that carries a client's number.</summary>
internal delegate void WriteCommand(IBufferWriter<byte> output, WriteTicket? ticket);

/// <summary>Numbers a client's writes on each shard, one after another, so that each happens once.</summary>
/// <remarks>A number is used up once the write has an answer. One that surely has no place in the log keeps its number for the next write.</remarks>
internal sealed class ClientWrites(Guid id)
{
    private const int MostAttempts = 5;

    private readonly Dictionary<StoreShard, Line> _lines = [];

    internal Guid Id => id;

    internal ValueTask<StoreStatus> RegisterAsync(StoreShard shard, CancellationToken cancellationToken)
    {
        _lines[shard] = new Line();
        return shard.CommandAsync(KvCommand.RegisterClient, output => CommandWriter.WriteIdAlone(output, id), cancellationToken);
    }

    internal async ValueTask ForgetAsync(StoreShard shard)
    {
        if (shard.IsClosed) return;
        await shard.CommandAsync(KvCommand.ForgetClients, output => CommandWriter.WriteForgetClient(output, id), CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Does a write as the client's next on the shard.</summary>
    /// <exception cref="WriteCanceledException">The wait was cancelled.</exception>
    internal async ValueTask<byte[]> WriteAsync(StoreShard shard, WriteCommand write, CancellationToken cancellationToken)
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

    private static async Task<byte[]> SendAsync(StoreShard shard, Line line, WriteCommand write, WriteTicket ticket)
    {
        try
        {
            if (line.IsLost) throw new OutcomeUnknownException($"An earlier write of this client on shard {shard.Id} has an unknown outcome, and its number cannot be used for another. Register a new client.");
            for (int attempt = 1; ; attempt++)
            {
                try
                {
                    byte[] answer = await shard.AskAsync(KvCommand.Write, output => write(output, ticket), static answer => answer.ToArray(), CancellationToken.None).ConfigureAwait(false);
                    line.Next++;
                    return answer;
                }
                catch (OutcomeUnknownException) when (shard.IsReplicated && attempt < MostAttempts)
                {
                    // The same number again: where it did happen, its answer is kept.
                }
                catch (Exception e) when (attempt > 1 || e is OutcomeUnknownException)
                {
                    line.IsLost = true;
                    if (e is OutcomeUnknownException) throw;
                    throw new OutcomeUnknownException("The write may have happened when it was tried first; when it was tried again, that could not be found out.", e);
                }
            }
        }
        finally
        {
            line.Turn.Release();
        }
    }

    private sealed class Line
    {
        internal SemaphoreSlim Turn { get; } = new(1);

        internal long Next { get; set; } = 1;

        /// <summary>Whether a number was given to a write of which nobody knows whether it happened.</summary>
        internal bool IsLost { get; set; }
    }
}
