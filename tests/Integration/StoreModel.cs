namespace Tidemark.Integration;

/// <summary>What a store should hold, in the plainest way: a sorted dictionary and a few rules.</summary>
internal sealed class StoreModel(KeyOrder order)
{
    private readonly Dictionary<string, long[]> _sequences = [];
    private long _lastVersion;

    internal sealed record Entry(string Value, long Version, long Modifications, Guid? Session, IReadOnlyList<(string Index, string Key)> Indexes);

    internal SortedDictionary<string, Entry> Records { get; private set; } = new(Comparer<string>.Create((left, right) =>
        order.Compare(System.Text.Encoding.UTF8.GetBytes(left), System.Text.Encoding.UTF8.GetBytes(right))));

    internal (StoreStatus Status, long Version) Put(string key, string value, long? expected, Guid? session, IReadOnlyList<(string, string)> indexes)
    {
        Entry? old = Records.GetValueOrDefault(key);
        long found = old?.Version ?? 0;
        if (expected is { } wanted && wanted != found) return (StoreStatus.VersionMismatch, found);
        Records[key] = new Entry(value, ++_lastVersion, old is null ? 0 : old.Modifications + 1, session, indexes);
        return (StoreStatus.Ok, _lastVersion);
    }

    internal (StoreStatus Status, long Version, string Key) PutNext(string prefix, string value, long[] steps)
    {
        long[] parts = _sequences.GetValueOrDefault(prefix) ?? [];
        if (steps[0] <= 0 || steps.Any(step => step < 0)) return (StoreStatus.SequenceMalformed, 0, prefix);
        if (steps.Length < parts.Length) return (StoreStatus.SequenceTooShort, 0, prefix);
        long[] next = [.. steps.Select((step, i) => step + (i < parts.Length ? parts[i] : 0))];
        string key = prefix + string.Concat(next.Select(part => $"-{part:D20}"));
        if (Records.TryGetValue(key, out Entry? taken)) return (StoreStatus.KeyTaken, taken.Version, key);
        _sequences[prefix] = next;
        (StoreStatus status, long version) = Put(key, value, null, null, []);
        return (status, version, key);
    }

    internal (StoreStatus Status, long Version) Delete(string key, long? expected)
    {
        long found = Records.GetValueOrDefault(key)?.Version ?? 0;
        if (expected is { } wanted && wanted != found) return (StoreStatus.VersionMismatch, found);
        return Records.Remove(key) ? (StoreStatus.Ok, found) : (StoreStatus.NotFound, 0);
    }

    internal long DeleteWhere(Func<string, Entry, bool> isGone)
    {
        string[] gone = [.. Records.Where(record => isGone(record.Key, record.Value)).Select(record => record.Key)];
        foreach (string key in gone) Records.Remove(key);
        return gone.Length;
    }

    /// <summary>All or nothing.</summary>
    internal StoreStatus Transact(IEnumerable<Func<StoreStatus>> parts)
    {
        var records = new SortedDictionary<string, Entry>(Records, Records.Comparer);
        long version = _lastVersion;
        foreach (Func<StoreStatus> part in parts)
        {
            StoreStatus status = part();
            if (status is StoreStatus.Ok or StoreStatus.NotFound) continue;
            (Records, _lastVersion) = (records, version);
            return status;
        }

        return StoreStatus.Ok;
    }

    internal IEnumerable<string> ByIndex(string index) =>
        from record in Records
        from entry in record.Value.Indexes.Distinct()
        where entry.Index == index
        orderby entry.Key   // Stable: among equals, records stay in key order.
        select record.Key;

    internal string? Nearest(string key, KeyComparison comparison)
    {
        Comparer<string> compare = Comparer<string>.Create(Records.Comparer.Compare);
        return comparison switch
        {
            KeyComparison.Equal => Records.Keys.FirstOrDefault(k => compare.Compare(k, key) == 0),
            KeyComparison.Ceiling => Records.Keys.FirstOrDefault(k => compare.Compare(k, key) >= 0),
            KeyComparison.Higher => Records.Keys.FirstOrDefault(k => compare.Compare(k, key) > 0),
            KeyComparison.Floor => Records.Keys.LastOrDefault(k => compare.Compare(k, key) <= 0),
            _ => Records.Keys.LastOrDefault(k => compare.Compare(k, key) < 0),
        };
    }
}
