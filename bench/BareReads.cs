namespace Tidemark.Bench;

/// <summary>The floor under reads: the same records where nothing stands between the caller and them.</summary>
internal abstract class BareReads : IDisposable
{
    internal const int Batch = 1024;

    internal abstract void Gets(Random random);

    internal abstract long Scan();

    public abstract void Dispose();
}

/// <summary>Records as the store's rows have them.</summary>
internal static class BareRows
{
    /// <summary>The bytes of a row before its value.</summary>
    internal const int Head = 33;

    internal static byte[] KeyOf(StoreKey key) => [1, .. KeyOrder.Hierarchical.Encode(key.Span)];
}

/// <summary>Records in a hash table, and in a sorted array for scans.</summary>
internal sealed class BareMemory : BareReads
{
    private readonly Dictionary<StoreKey, byte[]> _rows;
    private readonly StoreKey[] _keys;
    private readonly KeyValuePair<StoreKey, byte[]>[] _sorted;

    internal BareMemory(StoreKey[] keys, byte[] value)
    {
        _keys = keys;
        _rows = keys.ToDictionary(key => key, _ => value.ToArray());
        _sorted = [.. _rows.OrderBy(row => row.Key.ToString(), StringComparer.Ordinal)];
    }

    /// <summary>Writes records to a bare file and flushes after each thousand: what is left where rows are kept in memory.</summary>
    internal static void Load(string directory, int records, byte[] value)
    {
        Directory.CreateDirectory(directory);
        using var log = new BareLog(Path.Combine(directory, "log"));
        byte[] thousand = new byte[1000 * (BenchKeys.Of(0).Length + value.Length)];
        for (int from = 0; from < records; from += 1000) log.AppendAlone(thousand);
    }

    internal override void Gets(Random random)
    {
        for (int i = 0; i < Batch; i++)
        {
            if (!_rows.TryGetValue(_keys[random.Next(_keys.Length)], out byte[]? value) || value.Length != 100) throw new InvalidOperationException("lost");
        }
    }

    internal override long Scan()
    {
        long count = 0;
        foreach (KeyValuePair<StoreKey, byte[]> row in _sorted) count += row.Value.Length / 100;
        return count;
    }

    public override void Dispose()
    {
    }
}
