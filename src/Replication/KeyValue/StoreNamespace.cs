using Tidemark.Core.KeyValue;

namespace Tidemark.Replication.KeyValue;

/// <summary>A namespace's settings, its shards, and which of them a key belongs to.</summary>
internal class StoreNamespace<TShard>
    where TShard : StoreShard
{
    private readonly HashRangeRouter _router;
    private readonly Dictionary<long, TShard> _byId;
    private readonly Func<Guid> _newId;

    internal StoreNamespace(string name, NamespaceOptions settings, HashRangeRouter router, IReadOnlyList<TShard> shards, TimeProvider time, Func<Guid> newId)
    {
        Name = name;
        Settings = settings;
        _router = router;
        Shards = shards;
        _byId = shards.ToDictionary(shard => shard.Id);
        TimeProvider = time;
        _newId = newId;
    }

    internal string Name { get; }

    internal NamespaceOptions Settings { get; }

    internal IReadOnlyList<TShard> Shards { get; }

    /// <summary>Which shard each hash of a routing key belongs to.</summary>
    internal IReadOnlyList<ShardHashRange> Ranges => _router.Ranges;

    internal TimeProvider TimeProvider { get; }

    internal Guid NewId() => _newId();

    internal TShard ShardOf(StoreKey key, StoreKey? partitionKey) =>
        Shards.Count == 1 ? Shards[0] : _byId[_router.Route((partitionKey ?? key).Span)];

    /// <summary>The one shard a routing key belongs to; without one, all.</summary>
    internal IReadOnlyList<TShard> ShardsOf(StoreKey? routingKey) => routingKey is { } key && Shards.Count > 1 ? [ShardOf(key, null)] : Shards;

    /// <exception cref="ArgumentException">The transaction's keys belong to different shards.</exception>
    internal TShard ShardOf(StoreTransaction transaction)
    {
        foreach (StoreTransaction.Operation operation in transaction.Operations)
        {
            if (operation.Put is { } put) CheckPut(operation.Key, operation.Value, put, transaction.IsOwn);
        }

        foreach (StoreKey key in transaction.Keys) CheckKey(key, transaction.IsOwn);
        if (Shards.Count == 1) return Shards[0];
        if (transaction.PartitionKey is { } partition) return ShardOf(partition, null);
        TShard? shard = null;
        foreach (StoreKey key in transaction.Keys)
        {
            TShard own = ShardOf(key, null);
            if (shard is not null && shard != own)
                throw new ArgumentException($"'{key}' belongs to another shard than the keys before it. Give the transaction a partition key.", nameof(transaction));
            shard = own;
        }

        return shard ?? throw new ArgumentException("Without a partition key, a key must say which shard the transaction belongs to.", nameof(transaction));
    }

    internal void CheckKey(StoreKey key, bool isOwn = false)
    {
        if (key.Length > Settings.MaxKeyBytes || Settings.KeyOrder.GetEncodedLength(key.Span) > Settings.MaxKeyBytes + KvSettings.EncodingSlack) throw KeyTooLong(key);
        if (!isOwn && key.Span.StartsWith(RecordTable.ReservedPrefix))
            throw new ArgumentException($"'{key}' begins with the reserved prefix '__tidemark/'. Choose another key.", nameof(key));
    }

    internal void CheckPut(StoreKey key, ReadOnlyMemory<byte> value, PutOptions? options, bool isOwn = false)
    {
        CheckKey(key, isOwn);
        if (value.Length > Settings.MaxValueBytes) throw new LimitExceededException("value", value.Length, Settings.MaxValueBytes, nameof(NamespaceOptions.MaxValueBytes));
        if (options is null) return;
        if (options.ExpectedVersion is < 0) throw new ArgumentOutOfRangeException(nameof(options), options.ExpectedVersion, "Versions are 1 or more; 0 stands for none.");
        if (options.PartitionKey is { Length: > ushort.MaxValue } partition) throw new LimitExceededException("partition key", partition.Length, ushort.MaxValue, "the format");
        if (options.TimeToLive is { } time && (time <= TimeSpan.Zero || time.TotalMilliseconds > RecordTable.MaxTimeToLiveMilliseconds))
            throw new ArgumentOutOfRangeException(nameof(options), time, "A time to live is above zero and at most ten years.");
        if (options.Indexes.Count > RecordTable.MaxIndexEntries)
            throw new LimitExceededException("count of index entries", options.Indexes.Count, RecordTable.MaxIndexEntries, "the format");
        foreach (IndexEntry entry in options.Indexes) CheckIndex(entry, key);
    }

    internal void CheckBatch(int bytes)
    {
        if (bytes > Settings.MaxBatchBytes) throw new LimitExceededException("transaction", bytes, Settings.MaxBatchBytes, nameof(NamespaceOptions.MaxBatchBytes));
    }

    internal LimitExceededException KeyTooLong(StoreKey key) =>
        new("key", Math.Max(key.Length, Settings.KeyOrder.GetEncodedLength(key.Span) - KvSettings.EncodingSlack), Settings.MaxKeyBytes, nameof(NamespaceOptions.MaxKeyBytes));

    private void CheckIndex(IndexEntry entry, StoreKey key)
    {
        if (entry.Index.IsEmpty) throw new ArgumentException("An index has a name.", nameof(entry));
        int bytes = RowKeys.IndexLength(entry.Index.Span, entry.Key.Span) + Settings.KeyOrder.GetEncodedLength(key.Span);
        if (bytes > Settings.MaxKeyBytes + KvSettings.RowSlack)
            throw new LimitExceededException("index entry with its record's key", bytes, Settings.MaxKeyBytes + KvSettings.RowSlack, nameof(NamespaceOptions.MaxKeyBytes));
    }
}
