using System.Runtime.CompilerServices;

using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>Finds single records in one shard, by key or by index.</summary>
internal static class KvReads
{
    private const int MostStackBytes = 512;

    /// <summary>Finds the record of a key in memory, without allocating where the key is of usual length. False where only the engine knows.</summary>
    [SkipLocalsInit]
    internal static bool TryGetInMemory(StateView view, KeyOrder order, ReadOnlySpan<byte> key, out byte[]? row)
    {
        bool isShort = key.Length <= (MostStackBytes - 3) / 2;   // Whatever its bytes are, its encoding fits.
        Span<byte> rowKey = isShort ? stackalloc byte[MostStackBytes] : new byte[order.GetEncodedLength(key) + 1];
        rowKey[0] = (byte)RowTable.Record;
        int length = order.Encode(key, rowKey[1..]);
        return view.TryGetInMemory(rowKey[..(length + 1)], out row);
    }

    /// <summary>Finds the record nearest to an encoded key.</summary>
    internal static (byte[] EncodedKey, ReadOnlyMemory<byte> Row)? Find(in StateReader reader, KeyComparison comparison, ReadOnlySpan<byte> encodedKey)
    {
        byte[] key = RowKeys.Record(encodedKey);
        if (comparison == KeyComparison.Equal) return reader.TryGet(key, out ReadOnlyMemory<byte> row) ? (encodedKey.ToArray(), row) : null;
        using RowCursor cursor = reader.OpenCursor();
        bool found = Seek(cursor, comparison, key);
        return found && cursor.Key[0] == (byte)RowTable.Record ? (cursor.Key[1..].ToArray(), cursor.OwnedValue) : null;
    }

    /// <summary>Finds the record nearest to an index key; among those of one index key the first, or, looking downwards, the last.</summary>
    internal static (byte[] IndexKey, byte[] EncodedKey, ReadOnlyMemory<byte> Row)? Find(
        in StateReader reader, KeyComparison comparison, ReadOnlySpan<byte> index, ReadOnlySpan<byte> indexKey)
    {
        byte[] name = RowKeys.IndexStart(index);
        byte[] first = RowKeys.IndexStart(index, indexKey);
        using RowCursor cursor = reader.OpenCursor();
        byte[] behind = EncodedKeyRange.After(first).ToArray();
        bool found = comparison switch
        {
            KeyComparison.Equal => cursor.SeekAtOrAfter(first) && cursor.Key.StartsWith(first),
            KeyComparison.Ceiling => cursor.SeekAtOrAfter(first),
            KeyComparison.Higher => cursor.SeekAtOrAfter(behind),
            KeyComparison.Floor => cursor.SeekBefore(behind),
            _ => cursor.SeekBefore(first),
        };
        if (!found || !cursor.Key.StartsWith(name)) return null;
        RowKeys.ReadIndex(cursor.Key, out byte[] foundKey, out ReadOnlySpan<byte> encoded);
        byte[] encodedKey = encoded.ToArray();
        return reader.TryGet(RowKeys.Record(encodedKey), out ReadOnlyMemory<byte> row) ? (foundKey, encodedKey, row) : null;
    }

    /// <summary>Whether what one shard found is nearer than what another did.</summary>
    internal static bool IsNearer(KeyComparison comparison, ReadOnlySpan<byte> found, ReadOnlySpan<byte> best)
    {
        int order = found.SequenceCompareTo(best);
        return comparison is KeyComparison.Floor or KeyComparison.Lower ? order > 0 : order < 0;
    }

    private static bool Seek(RowCursor cursor, KeyComparison comparison, byte[] key) => comparison switch
    {
        KeyComparison.Ceiling => cursor.SeekAtOrAfter(key),
        KeyComparison.Higher => cursor.SeekAtOrAfter([.. key, 0]),
        KeyComparison.Floor => cursor.SeekBefore([.. key, 0]),
        _ => cursor.SeekBefore(key),
    };
}
