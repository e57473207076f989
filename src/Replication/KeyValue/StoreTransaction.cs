using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;

namespace Tidemark;

/// <summary>Conditions and operations that happen together or not at all. Build it, then give it to <see cref="KeyValueStore.CommitAsync"/>.</summary>
/// <remarks>
/// Not thread-safe. All keys must belong to one shard: in a namespace of several, give a partition key, by which all of its records are routed then. Operations
/// happen in the order they were added, each seeing those before it.
/// </remarks>
public sealed class StoreTransaction
{
    private const long Exists = -1;

    private readonly List<(StoreKey Key, long Version)> _conditions = [];
    private readonly List<Operation> _operations = [];

    /// <summary>Begins a transaction.</summary>
    /// <param name="partitionKey">What routes all of its records; null: their keys, which must then route to the same shard.</param>
    public StoreTransaction(StoreKey? partitionKey = null) => PartitionKey = partitionKey;

    /// <summary>A transaction of the library itself: its keys may be reserved.</summary>
    internal static StoreTransaction OfOwn(StoreKey partitionKey) => new(partitionKey) { IsOwn = true };

    /// <summary>What routes all of its records, or null.</summary>
    public StoreKey? PartitionKey { get; }

    /// <summary>How many conditions and operations it has.</summary>
    public int Count => _conditions.Count + _operations.Count;

    internal bool IsOwn { get; private init; }

    internal IEnumerable<StoreSession> Sessions => _operations.Select(operation => operation.Put?.Session).OfType<StoreSession>().Distinct();

    internal IEnumerable<StoreKey> Keys => _conditions.Select(condition => condition.Key).Concat(_operations.Where(o => o.Range is null).Select(o => o.Key));

    internal IReadOnlyList<Operation> Operations => _operations;

    /// <summary>The record must be at a version; 0: it must not exist.</summary>
    public StoreTransaction Require(StoreKey key, long version)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(version);
        _conditions.Add((key, version));
        return this;
    }

    /// <summary>The record must exist, at any version.</summary>
    public StoreTransaction RequireExists(StoreKey key)
    {
        _conditions.Add((key, Exists));
        return this;
    }

    /// <summary>The record must not exist.</summary>
    public StoreTransaction RequireMissing(StoreKey key) => Require(key, 0);

    /// <summary>Writes a record. The value is copied when the transaction is committed. A partition key in the options is refused: the transaction has one.</summary>
    public StoreTransaction Put(StoreKey key, ReadOnlyMemory<byte> value, PutOptions? options = null) => Add(key, value, options, steps: null);

    /// <summary>Writes a record under the next key of a sequence.</summary>
    public StoreTransaction PutNext(StoreKey prefix, ReadOnlyMemory<byte> value, IReadOnlyList<long> steps, PutOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(steps);
        return Add(prefix, value, options, steps);
    }

    /// <summary>Deletes a record. That there is none is no failure, unless a version is expected.</summary>
    public StoreTransaction Delete(StoreKey key, long? expectedVersion = null)
    {
        _operations.Add(new Operation(key, default, null, null, expectedVersion, null));
        return this;
    }

    /// <summary>Deletes the records of a range that are on the transaction's shard.</summary>
    public StoreTransaction DeleteRange(KeyRange range)
    {
        ArgumentNullException.ThrowIfNull(range);
        _operations.Add(new Operation(default, default, null, null, null, range));
        return this;
    }

    /// <summary>Writes the command.</summary>
    internal void Write(IBufferWriter<byte> output, WriteTicket? ticket)
    {
        var writer = new MessagePackWriter(output);
        CommandWriter.BeginWrite(ref writer, ticket, IsOwn);
        writer.WriteArrayHeader(_conditions.Count);
        foreach ((StoreKey key, long version) in _conditions) CommandWriter.Condition(ref writer, key.Span, version);
        writer.WriteArrayHeader(_operations.Count);
        foreach (Operation operation in _operations)
        {
            if (operation.Put is { } put) CommandWriter.Put(ref writer, operation.Key.Span, operation.Value.Span, put.ToArguments(PartitionKey, operation.Steps));
            else if (operation.Range is { } range) CommandWriter.DeleteRange(ref writer, range);
            else CommandWriter.Delete(ref writer, operation.Key.Span, operation.ExpectedVersion);
        }

        writer.Flush();
    }

    /// <summary>What the answer to the command says.</summary>
    internal TransactionResult ResultOf(ReadOnlySpan<byte> bytes)
    {
        KvAnswer answer = KvAnswer.Read(bytes);
        var results = new List<WriteResult>(answer.Results.Length);
        for (int i = 0; i < answer.Results.Length; i++)
        {
            KvResult result = answer.Results[i];
            StoreKey key = result.Key is { } made ? made : answer.Status == StoreStatus.Ok ? Operations[i].Key : default;
            results.Add(new WriteResult(result.Status, key, result.Version, answer.Timestamp, result.Count));
        }

        return new TransactionResult(answer.Status, answer.Index, results, answer.Timestamp);
    }

    private StoreTransaction Add(StoreKey key, ReadOnlyMemory<byte> value, PutOptions? options, IReadOnlyList<long>? steps)
    {
        options ??= PutOptions.None;
        if (options.PartitionKey is not null) throw new ArgumentException("The transaction's partition key routes all of its records.", nameof(options));
        _operations.Add(new Operation(key, value, options, steps, null, null));
        return this;
    }

    /// <summary>One operation: a put where <paramref name="Put"/> is set, a range delete where <paramref name="Range"/> is, else a delete.</summary>
    internal sealed record Operation(
        StoreKey Key, ReadOnlyMemory<byte> Value, PutOptions? Put, IReadOnlyList<long>? Steps, long? ExpectedVersion, KeyRange? Range);
}
