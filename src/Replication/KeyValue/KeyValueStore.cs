using Tidemark.Replication.Rebase;

namespace Tidemark;

/// <summary>A namespace of records: keys in order, values, versions, sessions, indexes, watches.</summary>
/// <remarks>
/// Safe for concurrent calls. The same for a local store, one in memory, a node and a remote client. A write that was acknowledged is never lost, and
/// is seen by every read that begins afterwards. What went as it may go is a result, for example <see cref="StoreStatus.VersionMismatch"/>; errors are
/// exceptions. Semantics with examples: docs/kv.md.
/// </remarks>
public abstract class KeyValueStore
{
    /// <summary>The namespace's name.</summary>
    public abstract string Name { get; }

    /// <summary>The namespace's settings.</summary>
    public abstract NamespaceOptions Settings { get; }

    /// <summary>Reads a record that this process holds, without waiting.</summary>
    /// <param name="key">The key. Text is turned into bytes first: keep a <see cref="StoreKey"/> to look up often.</param>
    /// <param name="record">The record.</param>
    /// <returns>False where there is none.</returns>
    /// <exception cref="NotSupportedException">The store is of a <see cref="TidemarkClient"/>, whose process holds no records.</exception>
    /// <exception cref="ShardUnavailableException">The store is of a <see cref="TidemarkNode"/> that does not keep the key's shard, or not now: <see cref="GetAsync"/> asks one that does.</exception>
    /// <remarks>Level <see cref="ReadLevel.Local"/>; in a local store that is linearizable. Allocates nothing over the memory engine; not for records with a partition key where there are several shards.</remarks>
    public abstract bool TryGet(StoreKey key, out StoreRecord record);

    /// <summary>Reads a record.</summary>
    /// <returns>The record, or null where there is none.</returns>
    public abstract ValueTask<StoreRecord?> GetAsync(StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Reads the record nearest to a key of an index; among records with the same index key the first in key order, looking downwards the last.</summary>
    /// <param name="index">The index's name.</param>
    /// <param name="key">The index key.</param>
    /// <param name="options">Which record seen from the key, and how fresh.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public abstract ValueTask<StoreRecord?> GetByIndexAsync(StoreKey index, StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Reads the records of a range in key order.</summary>
    /// <remarks>Each shard is read as it was when the scan began; by a <see cref="TidemarkClient"/>, or a node that does not keep all of them, as it was when the page began, of which it reads one after another; over an engine on disk a scan that is held open keeps the space of deleted records from being used again.</remarks>
    public abstract IAsyncEnumerable<StoreRecord> ScanAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Reads some records of a range in key order, and says where to go on. Nothing is held open between pages.</summary>
    public abstract ValueTask<ScanPage> ScanPageAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Reads the keys of a range in order.</summary>
    public abstract IAsyncEnumerable<StoreKey> ListAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Reads the records of an index whose index keys lie in [start, end), in the byte order of index keys, then in key order.</summary>
    /// <param name="index">The index's name.</param>
    /// <param name="start">The first index key; empty for no bound.</param>
    /// <param name="end">The index key after the last; empty for no bound.</param>
    /// <param name="options">Limit, direction, shard, freshness. A continuation token is refused.</param>
    /// <param name="cancellationToken">Ends the scan.</param>
    public abstract IAsyncEnumerable<StoreRecord> ScanIndexAsync(
        StoreKey index, StoreKey start = default, StoreKey end = default, ScanOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Writes a record, new or over an old one.</summary>
    /// <param name="key">Up to <see cref="NamespaceOptions.MaxKeyBytes"/> bytes, not beginning with <c>__tidemark/</c>.</param>
    /// <param name="value">Up to <see cref="NamespaceOptions.MaxValueBytes"/> bytes. Copied: the buffer is the caller's again on return.</param>
    /// <param name="options">Expected version, session, time to live, indexes, partition key.</param>
    /// <param name="cancellationToken">Ends the wait. The write may still happen.</param>
    /// <returns>The new version; or, for example, that the version differs or the session is gone.</returns>
    /// <exception cref="ArgumentException">The key is reserved.</exception>
    /// <exception cref="LimitExceededException">Key, value or an index entry is too long. Nothing was written.</exception>
    /// <exception cref="StoreFullException">There is no room. Nothing was written; the same call works once there is.</exception>
    /// <exception cref="StoreFailedException">The store failed before. Nothing was written.</exception>
    /// <exception cref="OutcomeUnknownException">The store failed meanwhile. The write may have happened.</exception>
    /// <exception cref="OverloadedException">Too many writes wait already. Nothing was written.</exception>
    /// <remarks>Returns once the write is on stable storage and applied.</remarks>
    public abstract ValueTask<WriteResult> PutAsync(StoreKey key, ReadOnlyMemory<byte> value, PutOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Writes a record under the next key of a sequence: the prefix, then for each step a '-' and a number of 20 digits that grew by it.</summary>
    /// <param name="prefix">The prefix. Each has its own numbers, which begin at 0 and are never given twice.</param>
    /// <param name="value">The value.</param>
    /// <param name="steps">1 to 16 steps: the first above 0, none below. Never fewer than the sequence has parts already.</param>
    /// <param name="options">As for a put, without an expected version. Routed by the prefix, unless a partition key is given.</param>
    /// <param name="cancellationToken">Ends the wait. The write may still happen.</param>
    /// <returns>The key it came to, and the version.</returns>
    /// <inheritdoc cref="PutAsync" path="/exception"/>
    public abstract ValueTask<WriteResult> PutNextAsync(
        StoreKey prefix, ReadOnlyMemory<byte> value, IReadOnlyList<long> steps, PutOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Deletes a record.</summary>
    /// <returns>The version deleted, <see cref="StoreStatus.NotFound"/>, or that the version differs.</returns>
    /// <inheritdoc cref="PutAsync" path="/exception"/>
    public abstract ValueTask<WriteResult> DeleteAsync(StoreKey key, DeleteOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Deletes all records of a range, on every shard or on the one a partition key routes to.</summary>
    /// <returns>How many were deleted. Each shard does its part at once, one shard after another.</returns>
    /// <remarks>A shard is busy for as long as that many single deletes take.</remarks>
    /// <inheritdoc cref="PutAsync" path="/exception"/>
    public abstract ValueTask<WriteResult> DeleteRangeAsync(KeyRange range, StoreKey? partitionKey = null, CancellationToken cancellationToken = default);

    /// <summary>Does a transaction: all of its operations in order if all its conditions hold and none fails, or none.</summary>
    /// <exception cref="ArgumentException">Its keys belong to different shards.</exception>
    /// <inheritdoc cref="PutAsync" path="/exception"/>
    public abstract ValueTask<TransactionResult> CommitAsync(StoreTransaction transaction, CancellationToken cancellationToken = default);

    /// <summary>Tells what happens to the records of a range, in order on each shard, without a gap and without repeating.</summary>
    /// <remarks>What is written after the call is told; through a client, or of a shard whose leader was not known to a node that does not keep it, after it was answered where the watch begins. Of a shard
    /// that the node keeps, changes shortly before the call may be told too where no leader was known. Events of one shard come in their order, of several in any.
    /// Ends only when cancelled or when the store is closed. Nothing is buffered for a slow reader: it reads on from where it is, and is told where too much was dropped.</remarks>
    public abstract IAsyncEnumerable<StoreEvent> WatchAsync(KeyRange range, WatchOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Tells the last key a sequence has come to: first the present one, if there is one, then each time it changed the latest.</summary>
    public abstract IAsyncEnumerable<StoreKey> WatchSequenceAsync(StoreKey prefix, StoreKey? partitionKey = null, CancellationToken cancellationToken = default);

    /// <summary>Opens a session: records put with it go when it ends. It is kept alive until it is disposed.</summary>
    public abstract ValueTask<StoreSession> OpenSessionAsync(SessionOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Registers a client whose writes happen once, however often they are tried.</summary>
    public abstract ValueTask<StoreClient> RegisterClientAsync(CancellationToken cancellationToken = default);

    /// <summary>Asks what a client's write came to.</summary>
    public abstract ValueTask<WriteOutcome> GetOutcomeAsync(WriteId write, CancellationToken cancellationToken = default);

    /// <summary>Cuts the log of each shard that was written to since it was cut last: a new generation begins, and what comes before the one before it is let go.</summary>
    /// <returns>By shard, the generation that goes on. It has all that was acknowledged before the call in its base.</returns>
    /// <remarks>Reads and writes go on meanwhile, and nothing they see changes. It is done unasked too: docs/compaction.md. Costs a few entries, and in memory a snapshot.</remarks>
    /// <exception cref="ShardUnavailableException">A shard has no leader. It may be cut later.</exception>
    public abstract ValueTask<IReadOnlyList<CutResult>> CompactAsync(CancellationToken cancellationToken = default);

    /// <summary>The way for a copy of this namespace to its shard; null where there is none, or several.</summary>
    internal virtual ISyncRoute? SyncRoute => null;

    /// <summary>The same records with values of a type.</summary>
    public TypedStore<T> For<T>(IValueSerializer<T> serializer) => new(this, serializer);
}
