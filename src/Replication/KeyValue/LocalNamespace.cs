namespace Tidemark.Replication.KeyValue;

/// <summary>A namespace whose shards are in this process.</summary>
internal sealed class LocalNamespace(string name, NamespaceOptions settings, HashRangeRouter router, IReadOnlyList<LocalShard> shards, TimeProvider time, Func<Guid> newId)
    : StoreNamespace<LocalShard>(name, settings, router, shards, time, newId)
{
    /// <summary>Whether a read must first ask whether what is here is all there is.</summary>
    internal bool IsReplicated { get; } = shards[0].IsReplicated;

    /// <summary>Completes when reads of the shard of a routing key, or of all, see what their level asks for.</summary>
    internal async ValueTask ReadyToReadAsync(StoreKey? routingKey, ReadLevel level, CancellationToken cancellationToken)
    {
        foreach (LocalShard shard in ShardsOf(routingKey)) await shard.ReadyToReadAsync(level, cancellationToken).ConfigureAwait(false);
    }
}
