using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Remote;

namespace Tidemark.Replication.Nodes;

/// <summary>The namespace as a node's own programs see it, whichever shards the node keeps: a read of what is all here looks here, any other asks around; and so do watches, which go on when shards come and go.</summary>
internal sealed class NodeKeyValueStore(LocalNamespace space, IShardReads reads, ClientWrites? client = null) : RemoteKeyValueStore<LocalShard>(space, reads, client)
{
    private readonly ShardedKeyValueStore _here = new(space);

    public override bool TryGet(StoreKey key, out StoreRecord record) => _here.TryGet(key, out record);

    public override ValueTask<StoreRecord?> GetAsync(StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default)
    {
        if (!IsHere(GetOptions.RoutingKey(key, options))) return base.GetAsync(key, options, cancellationToken);
        ValueTask<StoreRecord?> here = _here.GetAsync(key, options, cancellationToken);
        return here.IsCompletedSuccessfully ? here : GetAsync(here, key, options, cancellationToken);   // A local read that is here costs no more than in a store that has all.
    }

    public override ValueTask<StoreRecord?> GetByIndexAsync(StoreKey index, StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default) => ReadAsync(
        options?.PartitionKey, () => _here.GetByIndexAsync(index, key, options, cancellationToken), () => base.GetByIndexAsync(index, key, options, cancellationToken));

    public override ValueTask<ScanPage> ScanPageAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default) => ReadAsync(
        options?.PartitionKey, () => _here.ScanPageAsync(range, options, cancellationToken), () => base.ScanPageAsync(range, options, cancellationToken));

    public override IAsyncEnumerable<StoreRecord> ScanAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default) =>
        IsHere(options?.PartitionKey) ? _here.ScanAsync(range, options, cancellationToken) : base.ScanAsync(range, options, cancellationToken);

    public override IAsyncEnumerable<StoreKey> ListAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default) =>
        IsHere(options?.PartitionKey) ? _here.ListAsync(range, options, cancellationToken) : base.ListAsync(range, options, cancellationToken);

    public override IAsyncEnumerable<StoreRecord> ScanIndexAsync(
        StoreKey index, StoreKey start = default, StoreKey end = default, ScanOptions? options = null, CancellationToken cancellationToken = default) => IsHere(options?.PartitionKey)
        ? _here.ScanIndexAsync(index, start, end, options, cancellationToken) : base.ScanIndexAsync(index, start, end, options, cancellationToken);

    protected override KeyValueStore With(ClientWrites numbered) => new NodeKeyValueStore(_here.Local, Reads, numbered);

    /// <summary>Whether this node keeps the shard of a routing key, or all shards.</summary>
    private bool IsHere(StoreKey? routingKey)
    {
        if (routingKey is { } key) return Space.ShardOf(key, null).IsHere;
        foreach (LocalShard shard in Space.Shards)
        {
            if (!shard.IsHere) return false;
        }

        return true;
    }

    private async ValueTask<StoreRecord?> GetAsync(ValueTask<StoreRecord?> here, StoreKey key, GetOptions? options, CancellationToken cancellationToken)
    {
        try
        {
            return await here.ConfigureAwait(false);
        }
        catch (ShardUnavailableException) when (!IsHere(GetOptions.RoutingKey(key, options)))
        {
            return await base.GetAsync(key, options, cancellationToken).ConfigureAwait(false);   // It was moved away meanwhile.
        }
    }

    private async ValueTask<T> ReadAsync<T>(StoreKey? routingKey, Func<ValueTask<T>> here, Func<ValueTask<T>> anywhere)
    {
        if (!IsHere(routingKey)) return await anywhere().ConfigureAwait(false);
        try
        {
            return await here().ConfigureAwait(false);
        }
        catch (ShardUnavailableException) when (!IsHere(routingKey))
        {
            return await anywhere().ConfigureAwait(false);
        }
    }
}
