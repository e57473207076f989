using System.Text;

using Tidemark.Core.KeyValue;
using Tidemark.Replication.Shards;

namespace Tidemark.Replication.KeyValue;

/// <summary>What changes a namespace, wherever its shards are kept: each write is checked, becomes a command, and goes to its shard.</summary>
/// <param name="space">The namespace.</param>
/// <param name="client">Numbers the writes; null where nobody does.</param>
internal sealed class StoreWrites<TShard>(StoreNamespace<TShard> space, ClientWrites? client)
    where TShard : StoreShard
{
    private static readonly TimeSpan _longestPause = TimeSpan.FromMilliseconds(100);

    internal ValueTask<WriteResult> PutAsync(StoreKey key, ReadOnlyMemory<byte> value, PutOptions? options, CancellationToken cancellationToken)
    {
        space.CheckPut(key, value, options);
        if (client is not null || options?.Session is not null) return PutSlowlyAsync(key, value, null, options ?? PutOptions.None, cancellationToken);
        TShard shard = space.ShardOf(key, options?.PartitionKey);
        Proposal proposal = shard.Rent(KvCommand.Write);
        PutArguments arguments = options is null ? default : options.ToArguments(options.PartitionKey, null);
        CommandWriter.WritePut(proposal.Payload, null, key.Span, value.Span, arguments);
        return shard.WriteAsync(proposal, key, cancellationToken);
    }

    internal ValueTask<WriteResult> PutNextAsync(
        StoreKey prefix, ReadOnlyMemory<byte> value, IReadOnlyList<long> steps, PutOptions? options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(steps);
        space.CheckPut(prefix, value, options);
        return PutSlowlyAsync(prefix, value, steps, options ?? PutOptions.None, cancellationToken);
    }

    internal ValueTask<WriteResult> DeleteAsync(StoreKey key, DeleteOptions? options, CancellationToken cancellationToken)
    {
        space.CheckKey(key);
        TShard shard = space.ShardOf(key, options?.PartitionKey);
        return OneAsync(shard, key, (output, ticket) => CommandWriter.WriteDelete(output, ticket, key.Span, options?.ExpectedVersion), cancellationToken);
    }

    internal async ValueTask<WriteResult> DeleteRangeAsync(KeyRange range, StoreKey? partitionKey, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(range);
        space.Settings.KeyOrder.Encode(range);   // A range that means nothing is refused here.
        long count = 0;
        WriteResult last = default;
        foreach (TShard shard in space.ShardsOf(partitionKey))
        {
            last = await OneAsync(shard, default, (output, ticket) => CommandWriter.WriteDeleteRange(output, ticket, range), cancellationToken).ConfigureAwait(false);
            if (last.Status is not (StoreStatus.Ok or StoreStatus.NotFound)) return last with { Count = count };
            count += last.Count;
        }

        return last with { Status = count > 0 ? StoreStatus.Ok : StoreStatus.NotFound, Count = count };
    }

    internal async ValueTask<TransactionResult> CommitAsync(StoreTransaction transaction, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        TShard shard = space.ShardOf(transaction);
        foreach (StoreSession session in transaction.Sessions)
        {
            StoreStatus opened = await session.EnsureOpenAsync(shard).ConfigureAwait(false);
            if (opened != StoreStatus.Ok) return new TransactionResult(opened, 0, [], default);
        }

        return transaction.ResultOf(await AnswerAsync(shard, transaction.Write, cancellationToken).ConfigureAwait(false));
    }

    internal ValueTask<StoreSession> OpenSessionAsync(SessionOptions? options)
    {
        options ??= new SessionOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Timeout.TotalMilliseconds, SessionTable.MinTimeoutMilliseconds, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Timeout.TotalMilliseconds, SessionTable.MaxTimeoutMilliseconds, nameof(options));
        if (options.Identity is { } identity && Encoding.UTF8.GetByteCount(identity) > SessionTable.MaxIdentityBytes)
            throw new LimitExceededException("session identity", Encoding.UTF8.GetByteCount(identity), SessionTable.MaxIdentityBytes, "the format");
        return OpenSessionAsync(new StoreSession(space.NewId(), options, space.TimeProvider));
    }

    internal async ValueTask<IReadOnlyList<CutResult>> CompactAsync(CancellationToken cancellationToken) =>
        await Task.WhenAll(space.Shards.Select(shard => CutAsync(shard, cancellationToken))).ConfigureAwait(false);

    /// <summary>Wishes for a cut, and asks until there is one.</summary>
    private static async Task<CutResult> CutAsync(TShard shard, CancellationToken cancellationToken)
    {
        long? wish = null;
        for (TimeSpan pause = TimeSpan.FromMilliseconds(1); ; pause = pause < _longestPause ? 2 * pause : _longestPause)
        {
            CutAnswer answer = await shard.AskAsync(KvCommand.Cut, new CutCommand(wish).Write, CutAnswer.Read, cancellationToken).ConfigureAwait(false);
            if (answer.Status != StoreStatus.Ok) throw new WriteRefusedException(answer.Status, $"The log of shard {shard.Id} could not be cut: {answer.Status}.");
            wish = answer.Wish;
            if (wish is null) return new CutResult(shard.Id, answer.Current.Number, answer.Current.LogId, answer.Current.Base.Offset, answer.Current.Hash);
            await Task.Delay(pause, cancellationToken).ConfigureAwait(false);
        }
    }

    internal async ValueTask<StoreClient> RegisterClientAsync(Func<ClientWrites, KeyValueStore> storeOf, CancellationToken cancellationToken)
    {
        var writes = new ClientWrites(space.NewId());
        foreach (TShard shard in space.Shards)
        {
            StoreStatus status = await writes.RegisterAsync(shard, cancellationToken).ConfigureAwait(false);
            if (status != StoreStatus.Ok) throw new WriteRefusedException(status, $"The client could not be registered on shard {shard.Id}: {status}.");
        }

        return new StoreClient(writes.Id, storeOf(writes), async () =>
        {
            foreach (TShard shard in space.Shards) await writes.ForgetAsync(shard).ConfigureAwait(false);
        });
    }

    private async ValueTask<StoreSession> OpenSessionAsync(StoreSession session)
    {
        // On one shard at once, so that a session that is open is watched by somebody; on others when it is first used there.
        StoreStatus status;
        try
        {
            status = await session.EnsureOpenAsync(space.Shards[0]).ConfigureAwait(false);
        }
        catch
        {
            session.Abandon();
            throw;
        }

        if (status == StoreStatus.Ok) return session;
        session.Abandon();
        throw new WriteRefusedException(status, $"The session could not be opened: {status}.");
    }

    private async ValueTask<WriteResult> PutSlowlyAsync(
        StoreKey key, ReadOnlyMemory<byte> value, IReadOnlyList<long>? steps, PutOptions options, CancellationToken cancellationToken)
    {
        TShard shard = space.ShardOf(key, options.PartitionKey);
        if (options.Session is { } session)
        {
            StoreStatus opened = await session.EnsureOpenAsync(shard).ConfigureAwait(false);
            if (opened != StoreStatus.Ok) return new WriteResult(opened, key, 0, default, 0);
        }

        PutArguments arguments = options.ToArguments(options.PartitionKey, steps);
        return await OneAsync(shard, key, (output, ticket) => CommandWriter.WritePut(output, ticket, key.Span, value.Span, arguments), cancellationToken).ConfigureAwait(false);
    }

    private ValueTask<WriteResult> OneAsync(TShard shard, StoreKey key, WriteCommand write, CancellationToken cancellationToken)
    {
        if (client is not null) return OfClientAsync();
        Proposal proposal = shard.Rent(KvCommand.Write);
        write(proposal.Payload, null);
        return shard.WriteAsync(proposal, key, cancellationToken);

        async ValueTask<WriteResult> OfClientAsync() =>
            StoreShard.ReadResult(await client.WriteAsync(shard, write, cancellationToken).ConfigureAwait(false), key);
    }

    private async ValueTask<byte[]> AnswerAsync(TShard shard, WriteCommand write, CancellationToken cancellationToken)
    {
        if (client is not null) return await client.WriteAsync(shard, write, cancellationToken).ConfigureAwait(false);
        Proposal proposal = shard.Rent(KvCommand.Write);
        try
        {
            write(proposal.Payload, null);
            space.CheckBatch(proposal.Payload.WrittenCount);
        }
        catch
        {
            proposal.Finish(null);
            proposal.LetGo();
            throw;
        }

        try
        {
            await shard.SubmitAsync(proposal, cancellationToken).ConfigureAwait(false);
            return proposal.Answer.WrittenSpan.ToArray();
        }
        finally
        {
            proposal.LetGo();
        }
    }
}
