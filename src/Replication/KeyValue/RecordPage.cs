using Tidemark.Core.KeyValue;

namespace Tidemark.Replication.KeyValue;

/// <summary>What a page holds at most.</summary>
/// <param name="Count">How many records.</param>
/// <param name="Bytes">How many bytes of keys and rows; a first record is given whatever it has.</param>
/// <param name="IsKeysOnly">Whether its records have keys alone.</param>
internal readonly record struct PageLimits(int Count, long Bytes, bool IsKeysOnly);

/// <summary>Takes as many records from a walk as a page may have.</summary>
internal static class RecordPage
{
    /// <param name="source">The walk.</param>
    /// <param name="order">The order of its keys.</param>
    /// <param name="isReverse">Whether it walks back.</param>
    /// <param name="limits">What the page holds at most.</param>
    /// <param name="sortKeys">Where given, what the walk's order goes by is added for each record.</param>
    internal static ScanPage Read(IRecordSource source, KeyOrder order, bool isReverse, PageLimits limits, List<ReadOnlyMemory<byte>>? sortKeys = null)
    {
        var records = new List<StoreRecord>();
        byte[] last = [];
        long bytes = 0;
        while (source.MoveNext())
        {
            StoreKey key = order.Decode(source.EncodedKey);
            ReadOnlyMemory<byte> row = limits.IsKeysOnly || records.Count == limits.Count ? default : source.Row;
            bytes += key.Length + row.Length;
            if (records.Count == limits.Count || (records.Count > 0 && bytes > limits.Bytes)) return new ScanPage(records, ContinuationToken.Write(last, isReverse));
            last = source.SortKey.ToArray();
            sortKeys?.Add(last);
            records.Add(new StoreRecord(key, row));
        }

        return new ScanPage(records, null);
    }
}
