using System.Globalization;

using Tidemark.Storage.Catalog;

namespace Tidemark.Replication.Consumers;

/// <summary>The records of one consumer or group of a topic: under which keys they are, and how they are read and written.</summary>
/// <remarks>All have one partition key and so are on one shard: they are seen, and changed, together. Keys and values: docs/consumers.md.</remarks>
internal sealed class ConsumerRows
{
    private const string Root = "__tidemark/consumers/";
    private const string Assignment = "assignment", Member = "member-", BehindMembers = "member.", Offset = "offset-", BehindAll = "offset.";   // '.' follows '-'.

    private readonly KeyValueStore _store;
    private readonly string _prefix;
    private readonly StoreKey _partition;

    internal ConsumerRows(KeyValueStore store, Topic topic, string consumer)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(topic);
        CatalogName.Require(consumer, "consumer");
        _store = store;
        Topic = topic;
        Consumer = consumer;
        _prefix = $"{PrefixOf(topic)}{Escape(consumer)}:";
        _partition = _prefix;
        AssignmentKey = _prefix + Assignment;
        Group = KeyRange.Between(_prefix + Assignment, _prefix + BehindMembers);
    }

    internal Topic Topic { get; }

    /// <summary>The consumer's or group's name.</summary>
    internal string Consumer { get; }

    internal StoreKey AssignmentKey { get; }

    /// <summary>The assignment and the members. Not the offsets, which change all the time.</summary>
    internal KeyRange Group { get; }

    internal StoreKey MemberKey(Guid member) => $"{_prefix}{Member}{member:N}";

    internal StoreKey OffsetKey(int partition) => $"{_prefix}{Offset}{partition:D4}";

    /// <summary>The member whose record has a key; null where it is no member's.</summary>
    internal Guid? MemberOf(StoreKey key)
    {
        string text = key.ToString();
        return text.StartsWith(_prefix + Member, StringComparison.Ordinal) && Guid.TryParseExact(text.AsSpan(_prefix.Length + Member.Length), "N", out Guid member) ? member : null;
    }

    /// <summary>What is stored for a partition; null where nothing is.</summary>
    internal async ValueTask<StoredOffset?> GetOffsetAsync(int partition, CancellationToken cancellationToken) =>
        await _store.GetAsync(OffsetKey(partition), new GetOptions { PartitionKey = _partition }, cancellationToken).ConfigureAwait(false) is { } record
            ? StoredOffset.Read(record)
            : null;

    /// <summary>Reads the assignment and the members as they are together.</summary>
    internal async ValueTask<IReadOnlyList<StoreRecord>> ReadGroupAsync(CancellationToken cancellationToken)
    {
        List<StoreRecord> found = [];
        await foreach (StoreRecord record in _store.ScanAsync(Group, new ScanOptions { PartitionKey = _partition }, cancellationToken).ConfigureAwait(false)) found.Add(record);
        return found;
    }

    internal IAsyncEnumerable<StoreEvent> WatchGroupAsync(CancellationToken cancellationToken) => _store.WatchAsync(Group, null, cancellationToken);

    /// <summary>Writes a record that is at a version; 0 where there must be none.</summary>
    /// <returns>The new version; null where it is at another.</returns>
    /// <exception cref="WriteRefusedException">It was refused for another reason, for example because the session has ended.</exception>
    internal async ValueTask<long?> TryPutAsync(StoreKey key, ReadOnlyMemory<byte> value, long expectedVersion, StoreSession? session, CancellationToken cancellationToken)
    {
        StoreTransaction put = StoreTransaction.OfOwn(_partition).Put(key, value, new PutOptions { ExpectedVersion = expectedVersion, Session = session });
        TransactionResult result = await _store.CommitAsync(put, cancellationToken).ConfigureAwait(false);
        return result.Status == StoreStatus.VersionMismatch ? null : result.ThrowIfRefused().Results[0].Version;
    }

    /// <summary>Deletes what all consumers and groups of a topic have stored. Members that still read find themselves lost.</summary>
    internal static async ValueTask ForgetTopicAsync(KeyValueStore store, Topic topic, CancellationToken cancellationToken)
    {
        string prefix = PrefixOf(topic);
        KeyRange all = KeyRange.Between(prefix, prefix[..^1] + ";");   // ';' follows ':'.
        var consumers = new HashSet<string>();
        await foreach (StoreKey key in store.ListAsync(all, null, cancellationToken).ConfigureAwait(false))
        {
            string text = key.ToString();
            consumers.Add(text[..(text.IndexOf(':', prefix.Length) + 1)]);
        }

        foreach (string consumer in consumers)
        {
            StoreTransaction delete = StoreTransaction.OfOwn(consumer).DeleteRange(KeyRange.Between(consumer + Assignment, consumer + BehindAll));
            (await store.CommitAsync(delete, cancellationToken).ConfigureAwait(false)).ThrowIfRefused();
        }
    }

    /// <summary>The number is part of it: a new topic of an old name has none of the old one's records, also where those could not be deleted.</summary>
    private static string PrefixOf(Topic topic) => string.Create(CultureInfo.InvariantCulture, $"{Root}{Escape(topic.Name)}:{topic.Number}:");

    /// <summary>A name without what separates names, and without '/': in either order of keys all records of a topic lie together.</summary>
    private static string Escape(string name) =>
        name.Replace("%", "%25", StringComparison.Ordinal).Replace("/", "%2F", StringComparison.Ordinal).Replace(":", "%3A", StringComparison.Ordinal);
}
