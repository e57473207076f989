namespace Tidemark.Tests.KeyValue.Model;

/// <summary>The two key orders and what ranges mean in them, said without any encoding.</summary>
internal sealed class ModelKeys(KeyOrder order) : IComparer<Text>
{
    internal bool IsHierarchical { get; } = order == KeyOrder.Hierarchical;

    public int Compare(Text? left, Text? right)
    {
        if (IsHierarchical && Depth(left!) != Depth(right!)) return Depth(left!) - Depth(right!);
        for (int i = 0; i < left!.Bytes.Length && i < right!.Bytes.Length; i++)
        {
            int difference = Rank(left.Bytes[i]) - Rank(right.Bytes[i]);
            if (difference != 0) return difference;
        }

        return left.Bytes.Length - right!.Bytes.Length;
    }

    /// <summary>Two bytes for the depth, and one more for each byte that is escaped.</summary>
    internal int EncodedLength(Text key) => key.Bytes.Length + (IsHierarchical ? 2 + key.Bytes.Count(value => value >= 0xFE) : 0);

    /// <summary>Whether a range holds a key; null where it means nothing in this order.</summary>
    internal bool? Holds(KeyRangeKind kind, Text start, Text end, Text key) => kind switch
    {
        KeyRangeKind.Between => (start.Bytes.Length == 0 || Compare(key, start) >= 0) && (end.Bytes.Length == 0 || Compare(key, end) < 0),
        KeyRangeKind.Prefix when !IsHierarchical => StartsWith(key, start.Bytes),
        KeyRangeKind.Prefix => IsNextTo(key, start.Bytes),
        _ => IsHierarchical ? IsNextTo(key, [.. start.Bytes, (byte)'/']) : null,
    };

    private static bool IsNextTo(Text key, byte[] prefix) =>
        StartsWith(key, prefix) && !key.Bytes.AsSpan(prefix.Length).Contains((byte)'/') && !key.Bytes.AsSpan().EndsWith("//"u8);

    private static bool StartsWith(Text key, byte[] prefix) => key.Bytes.AsSpan().StartsWith(prefix);

    private static int Depth(Text key) => key.Bytes.Count(value => value == '/') - (key.Bytes.AsSpan().EndsWith("//"u8) ? 1 : 0);

    private int Rank(byte value) => IsHierarchical && value == '/' ? 256 : value;
}
