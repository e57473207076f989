using System.Buffers.Binary;

namespace Tidemark.Core.KeyValue;

/// <summary>Reads a record row in place. Bytes: docs/format/kv-state.md.</summary>
internal readonly ref struct RecordRow(ReadOnlySpan<byte> row)
{
    private const int FixedBytes = 1 + (4 * sizeof(ulong));

    private readonly ReadOnlySpan<byte> _row = row;

    [Flags]
    private enum Parts : byte
    {
        None = 0,
        Session = 1,
        Identity = 2,
        PartitionKey = 4,
        Expiry = 8,
        Indexes = 16,
    }

    internal long Version => (long)Word(0);

    internal long Modifications => (long)Word(1);

    internal HybridTimestamp Created => new(Word(2));

    internal HybridTimestamp Modified => new(Word(3));

    internal ReadOnlySpan<byte> Session => Has(Parts.Session) ? _row.Slice(FixedBytes, RowKeys.IdBytes) : default;

    internal ReadOnlySpan<byte> Identity => Has(Parts.Identity) ? Sized(IdentityAt) : default;

    internal bool HasPartitionKey => Has(Parts.PartitionKey);

    internal ReadOnlySpan<byte> PartitionKey => Has(Parts.PartitionKey) ? Sized(PartitionKeyAt) : default;

    internal HybridTimestamp? Expiry => Has(Parts.Expiry) ? new HybridTimestamp(BinaryPrimitives.ReadUInt64LittleEndian(_row[ExpiryAt..])) : null;

    internal bool HasIndexes => Has(Parts.Indexes);

    internal IndexEntryEnumerator Indexes => new(Has(Parts.Indexes) ? _row[IndexesAt..] : default);

    /// <summary>Where the value begins.</summary>
    internal int ValueAt
    {
        get
        {
            if (_row[0] == 0) return FixedBytes;
            if (!Has(Parts.Indexes)) return IndexesAt;
            IndexEntryEnumerator entries = Indexes;
            while (entries.MoveNext())
            {
            }

            return IndexesAt + entries.Consumed;
        }
    }

    internal ReadOnlySpan<byte> Value => _row[ValueAt..];

    /// <summary>Whether bytes that came from elsewhere are a row: reading one that is not goes beyond its end.</summary>
    internal static bool IsWhole(ReadOnlySpan<byte> row)
    {
        const Parts Known = Parts.Session | Parts.Identity | Parts.PartitionKey | Parts.Expiry | Parts.Indexes;
        if (row.Length < FixedBytes || ((Parts)row[0] & ~Known) != 0) return false;
        var parts = (Parts)row[0];
        ReadOnlySpan<byte> rest = row[FixedBytes..];
        bool isWhole = (!parts.HasFlag(Parts.Session) || TrySkip(ref rest, RowKeys.IdBytes))
            && (!parts.HasFlag(Parts.Identity) || TrySkipSized(ref rest))
            && (!parts.HasFlag(Parts.PartitionKey) || TrySkipSized(ref rest))
            && (!parts.HasFlag(Parts.Expiry) || TrySkip(ref rest, sizeof(ulong)));
        if (!isWhole || !parts.HasFlag(Parts.Indexes)) return isWhole;
        if (rest.Length < sizeof(ushort)) return false;
        int count = BinaryPrimitives.ReadUInt16LittleEndian(rest);
        rest = rest[sizeof(ushort)..];
        for (; isWhole && count > 0; count--) isWhole = TrySkipSized(ref rest) && TrySkipSized(ref rest);
        return isWhole;

        static bool TrySkip(ref ReadOnlySpan<byte> rest, int bytes)
        {
            if (rest.Length < bytes) return false;
            rest = rest[bytes..];
            return true;
        }

        static bool TrySkipSized(ref ReadOnlySpan<byte> rest) =>
            rest.Length >= sizeof(ushort) && TrySkip(ref rest, sizeof(ushort) + BinaryPrimitives.ReadUInt16LittleEndian(rest));
    }

    /// <summary>Makes the row of a record.</summary>
    internal static byte[] Write(in RecordFields fields, ReadOnlySpan<byte> value)
    {
        Parts parts = (fields.Session.IsEmpty ? Parts.None : Parts.Session)
            | (fields.Identity.IsEmpty ? Parts.None : Parts.Identity)
            | (fields.HasPartitionKey ? Parts.PartitionKey : Parts.None)
            | (fields.Expiry is null ? Parts.None : Parts.Expiry)
            | (fields.Indexes.Length == 0 ? Parts.None : Parts.Indexes);
        int length = FixedBytes + value.Length
            + (fields.Session.IsEmpty ? 0 : RowKeys.IdBytes)
            + (fields.Identity.IsEmpty ? 0 : sizeof(ushort) + fields.Identity.Length)
            + (fields.HasPartitionKey ? sizeof(ushort) + fields.PartitionKey.Length : 0)
            + (fields.Expiry is null ? 0 : sizeof(ulong))
            + (fields.Indexes.Length == 0 ? 0 : IndexBytes(fields.Indexes));

        byte[] row = GC.AllocateUninitializedArray<byte>(length);
        row[0] = (byte)parts;
        BinaryPrimitives.WriteInt64LittleEndian(row.AsSpan(1), fields.Version);
        BinaryPrimitives.WriteInt64LittleEndian(row.AsSpan(9), fields.Modifications);
        BinaryPrimitives.WriteUInt64LittleEndian(row.AsSpan(17), fields.Created.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(row.AsSpan(25), fields.Modified.Value);
        Span<byte> rest = row.AsSpan(FixedBytes);
        if (parts != Parts.None) rest = rest[WriteParts(fields, rest)..];
        value.CopyTo(rest);
        return row;
    }

    private static int WriteParts(in RecordFields fields, Span<byte> target)
    {
        int at = 0;
        fields.Session.CopyTo(target);
        at += fields.Session.Length;
        if (!fields.Identity.IsEmpty) at += WriteSized(target[at..], fields.Identity);
        if (fields.HasPartitionKey) at += WriteSized(target[at..], fields.PartitionKey);
        if (fields.Expiry is { } expiry)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(target[at..], expiry.Value);
            at += sizeof(ulong);
        }

        if (fields.Indexes.Length == 0) return at;
        BinaryPrimitives.WriteUInt16LittleEndian(target[at..], (ushort)fields.Indexes.Length);
        at += sizeof(ushort);
        foreach (ref readonly IndexEntry entry in fields.Indexes)
        {
            at += WriteSized(target[at..], entry.Index.Span);
            at += WriteSized(target[at..], entry.Key.Span);
        }

        return at;
    }

    private static int WriteSized(Span<byte> target, ReadOnlySpan<byte> bytes)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(target, (ushort)bytes.Length);
        bytes.CopyTo(target[sizeof(ushort)..]);
        return sizeof(ushort) + bytes.Length;
    }

    private static int IndexBytes(ReadOnlySpan<IndexEntry> entries)
    {
        int bytes = sizeof(ushort);
        foreach (ref readonly IndexEntry entry in entries) bytes += (2 * sizeof(ushort)) + entry.Index.Length + entry.Key.Length;
        return bytes;
    }

    private int IdentityAt => FixedBytes + (Has(Parts.Session) ? RowKeys.IdBytes : 0);

    private int PartitionKeyAt => IdentityAt + (Has(Parts.Identity) ? sizeof(ushort) + Sized(IdentityAt).Length : 0);

    private int ExpiryAt => PartitionKeyAt + (Has(Parts.PartitionKey) ? sizeof(ushort) + Sized(PartitionKeyAt).Length : 0);

    private int IndexesAt => ExpiryAt + (Has(Parts.Expiry) ? sizeof(ulong) : 0);

    private bool Has(Parts part) => ((Parts)_row[0] & part) != 0;

    private ulong Word(int index) => BinaryPrimitives.ReadUInt64LittleEndian(_row[(1 + (index * sizeof(ulong)))..]);

    private ReadOnlySpan<byte> Sized(int at) => _row.Slice(at + sizeof(ushort), BinaryPrimitives.ReadUInt16LittleEndian(_row[at..]));
}

/// <summary>What a record row is made of, besides its value.</summary>
internal readonly ref struct RecordFields
{
    public long Version { get; init; }

    public long Modifications { get; init; }

    public HybridTimestamp Created { get; init; }

    public HybridTimestamp Modified { get; init; }

    public ReadOnlySpan<byte> Session { get; init; }

    public ReadOnlySpan<byte> Identity { get; init; }

    public bool HasPartitionKey { get; init; }

    public ReadOnlySpan<byte> PartitionKey { get; init; }

    public HybridTimestamp? Expiry { get; init; }

    public ReadOnlySpan<IndexEntry> Indexes { get; init; }
}

/// <summary>Walks the index entries of a record row.</summary>
internal ref struct IndexEntryEnumerator
{
    private readonly ReadOnlySpan<byte> _bytes;
    private int _left;

    internal IndexEntryEnumerator(ReadOnlySpan<byte> bytes)
    {
        _bytes = bytes;
        _left = bytes.IsEmpty ? 0 : BinaryPrimitives.ReadUInt16LittleEndian(bytes);
        Consumed = bytes.IsEmpty ? 0 : sizeof(ushort);
    }

    internal int Count => _left;

    internal int Consumed { get; private set; }

    internal ReadOnlySpan<byte> Name { get; private set; }

    internal ReadOnlySpan<byte> Key { get; private set; }

    internal bool MoveNext()
    {
        if (_left == 0) return false;
        _left--;
        Name = Read();
        Key = Read();
        return true;
    }

    private ReadOnlySpan<byte> Read()
    {
        int length = BinaryPrimitives.ReadUInt16LittleEndian(_bytes[Consumed..]);
        ReadOnlySpan<byte> part = _bytes.Slice(Consumed + sizeof(ushort), length);
        Consumed += sizeof(ushort) + length;
        return part;
    }
}
