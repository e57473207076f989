using System.Text;

using Tidemark.Core.KeyValue;

namespace Tidemark;

/// <summary>A record as it was read: key, value and what the store keeps about it.</summary>
/// <remarks>Immutable: it does not follow later changes. Copying it is cheap; over an engine in memory reading one allocates nothing.</remarks>
public readonly struct StoreRecord
{
    private readonly ReadOnlyMemory<byte> _row;

    internal StoreRecord(StoreKey key, ReadOnlyMemory<byte> row)
    {
        Key = key;
        _row = row;
    }

    /// <summary>The key.</summary>
    public StoreKey Key { get; }

    /// <summary>The value.</summary>
    public ReadOnlyMemory<byte> Value => _row[Row.ValueAt..];

    /// <summary>The number of the write that made it what it is. Grows along a shard and is never given twice, also not after a delete.</summary>
    public long Version => Row.Version;

    /// <summary>How often it was written since it was created; 0 for a new one.</summary>
    public long Modifications => Row.Modifications;

    /// <summary>When it was created.</summary>
    public HybridTimestamp Created => Row.Created;

    /// <summary>When it was written last.</summary>
    public HybridTimestamp Modified => Row.Modified;

    /// <summary>The session it ends with, where it is ephemeral.</summary>
    public Guid? SessionId => Row.Session.IsEmpty ? null : SessionTable.IdOf(Row.Session);

    /// <summary>Who opened that session, where it said so.</summary>
    public string? ClientIdentity => Row.Identity.IsEmpty ? null : Encoding.UTF8.GetString(Row.Identity);

    /// <summary>What it is routed by instead of its key, where it was given.</summary>
    public StoreKey? PartitionKey => Row.HasPartitionKey ? new StoreKey(Row.PartitionKey.ToArray()) : (StoreKey?)null;

    /// <summary>When its time to live is over, where it has one. It goes with the entry that says so, at that time or shortly after.</summary>
    public HybridTimestamp? Expires => Row.Expiry;

    /// <summary>The entries under which indexes hold it.</summary>
    public IReadOnlyList<IndexEntry> Indexes
    {
        get
        {
            if (!Row.HasIndexes) return [];
            var entries = new List<IndexEntry>();
            IndexEntryEnumerator found = Row.Indexes;
            while (found.MoveNext()) entries.Add(new IndexEntry(found.Name.ToArray(), found.Key.ToArray()));
            return entries;
        }
    }

    /// <summary>The row it is read from; empty for a key alone.</summary>
    internal ReadOnlyMemory<byte> RowBytes => _row;

    private RecordRow Row => new(_row.Span);

    /// <summary>The value as UTF-8 text.</summary>
    public string GetString() => Encoding.UTF8.GetString(Value.Span);

    /// <summary>Key, version and the value's length.</summary>
    public override string ToString() => $"{Key} @{Version} ({Value.Length} bytes)";
}
