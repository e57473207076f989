namespace Tidemark.Tests.KeyValue.Model;

internal sealed record ModelRecord(Text Key, Text Value, long Version, long Modifications, HybridTimestamp Created, HybridTimestamp Modified)
{
    public Guid? Session { get; init; }

    public Text? Identity { get; init; }

    public Text? PartitionKey { get; init; }

    public HybridTimestamp? Expires { get; init; }

    public (Text Index, Text Key)[] Indexes { get; init; } = [];

    public override string ToString() =>
        $"{Key}={Value} @{Version} #{Modifications} {Created}..{Modified} in {Session} of {Identity} by {PartitionKey} until {Expires} under [{string.Join(", ", Indexes)}]";
}

internal sealed record ModelSession(long Timeout, Text? Identity);

internal sealed record ModelClient(long Last, long Floor, HybridTimestamp LastUsed, SortedDictionary<long, ModelAnswer> Outcomes);

/// <summary>One change; the key is null for a range, the range for a key.</summary>
internal sealed record ModelChange(StoreEventKind Kind, Text? Key, long Version, DeleteRange? Range);

internal sealed record ModelEntry(long Offset, HybridTimestamp Timestamp, List<ModelChange> Changes, long Bytes);

internal sealed record ModelResult(StoreStatus Status, long Version, Text? Key, long Count);

internal sealed record ModelAnswer(StoreStatus Status, int Index, HybridTimestamp Timestamp, List<ModelResult> Results)
{
    public override string ToString() => $"{Status} at {Index}, {Timestamp}: [{string.Join(", ", Results)}]";
}
