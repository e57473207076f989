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
    internal static ScanPage Read(IRecordSource source, KeyOrder order, bool isReverse, PageLimits limits)
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
            records.Add(new StoreRecord(key, row));
        }

        return new ScanPage(records, null);
    }
}
