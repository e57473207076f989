using System.Buffers.Binary;

using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>The tables of a key-value state, by the first byte of their rows' keys.</summary>
internal enum RowTable : byte
{
    Header = RowSnapshot.HeaderTable,
    Record = 1,
    Index = 2,
    Session = 3,
    Ephemeral = 4,
    Expiry = 5,
    Client = 6,
    Outcome = 7,
    Sequence = 8,
    Change = 9,
    Settings = 10,
    SyncCursor = 11,
    SyncClient = 12,
    SyncRejection = 13,
    SyncHorizon = 14,
    Cuts = 15,
}

/// <summary>Builds the keys of rows. Bytes: docs/format/kv-state.md.</summary>
internal static class RowKeys
{
    internal const int IdBytes = 16;

    private const byte EscapedZero = 0xFF, PartEnd = 0x01;   // Both after a zero: the end sorts before what goes on.

    internal static byte[] Header => RowSnapshot.HeaderKey;

    /// <summary>Says up to which offset changes were let go.</summary>
    internal static byte[] ChangesTrimmed { get; } = [(byte)RowTable.Change];

    internal static byte[] Settings { get; } = [(byte)RowTable.Settings];

    internal static byte[] Cuts { get; } = [(byte)RowTable.Cuts];

    internal static byte[] Record(ReadOnlySpan<byte> encodedKey) => [(byte)RowTable.Record, .. encodedKey];

    /// <summary>The row key of a user's key, encoded in one step; the encoded key follows its first byte.</summary>
    internal static byte[] Record(KeyOrder order, ReadOnlySpan<byte> key)
    {
        byte[] rowKey = new byte[1 + order.GetEncodedLength(key)];
        rowKey[0] = (byte)RowTable.Record;
        order.Encode(key, rowKey.AsSpan(1));
        return rowKey;
    }

    internal static byte[] Session(ReadOnlySpan<byte> session) => [(byte)RowTable.Session, .. session];

    internal static byte[] Ephemeral(ReadOnlySpan<byte> session, ReadOnlySpan<byte> encodedKey) => [(byte)RowTable.Ephemeral, .. session, .. encodedKey];

    internal static byte[] Client(ReadOnlySpan<byte> client) => [(byte)RowTable.Client, .. client];

    internal static byte[] SyncHorizon { get; } = [(byte)RowTable.SyncHorizon];

    internal static byte[] SyncCursor(ReadOnlySpan<byte> client) => [(byte)RowTable.SyncCursor, .. client];

    internal static byte[] SyncClient(ReadOnlySpan<byte> client) => [(byte)RowTable.SyncClient, .. client];

    internal static byte[] SyncRejection(ReadOnlySpan<byte> client, long mutation) => OfClient(RowTable.SyncRejection, client, mutation);

    internal static byte[] Sequence(ReadOnlySpan<byte> prefix) => [(byte)RowTable.Sequence, .. prefix];

    internal static byte[] Expiry(HybridTimestamp at, ReadOnlySpan<byte> encodedKey)
    {
        byte[] key = new byte[1 + sizeof(ulong) + encodedKey.Length];
        key[0] = (byte)RowTable.Expiry;
        BinaryPrimitives.WriteUInt64BigEndian(key.AsSpan(1), at.Value);
        encodedKey.CopyTo(key.AsSpan(1 + sizeof(ulong)));
        return key;
    }

    internal static byte[] Outcome(ReadOnlySpan<byte> client, long sequence) => OfClient(RowTable.Outcome, client, sequence);

    internal static byte[] Change(long offset)
    {
        byte[] key = new byte[1 + sizeof(long)];
        key[0] = (byte)RowTable.Change;
        BinaryPrimitives.WriteInt64BigEndian(key.AsSpan(1), offset);
        return key;
    }

    internal static long ChangeOffset(ReadOnlySpan<byte> key) => BinaryPrimitives.ReadInt64BigEndian(key[1..]);

    internal static byte[] Index(ReadOnlySpan<byte> name, ReadOnlySpan<byte> indexKey, ReadOnlySpan<byte> encodedKey)
    {
        byte[] key = new byte[IndexLength(name, indexKey) + encodedKey.Length];
        key[0] = (byte)RowTable.Index;
        int at = WritePart(key, 1, name);
        at = WritePart(key, at, indexKey);
        encodedKey.CopyTo(key.AsSpan(at));
        return key;
    }

    /// <summary>The beginning of all entries of an index.</summary>
    internal static byte[] IndexStart(ReadOnlySpan<byte> name)
    {
        byte[] key = new byte[1 + PartLength(name)];
        key[0] = (byte)RowTable.Index;
        WritePart(key, 1, name);
        return key;
    }

    /// <summary>Where the entries of an index key begin that may be shortened: all that sort at or after it.</summary>
    internal static byte[] IndexStart(ReadOnlySpan<byte> name, ReadOnlySpan<byte> indexKey)
    {
        byte[] key = new byte[IndexLength(name, indexKey)];
        key[0] = (byte)RowTable.Index;
        WritePart(key, WritePart(key, 1, name), indexKey);
        return key;
    }

    /// <summary>The bytes before the encoded key in an index row's key.</summary>
    internal static int IndexLength(ReadOnlySpan<byte> name, ReadOnlySpan<byte> indexKey) => 1 + PartLength(name) + PartLength(indexKey);

    /// <summary>Takes an index row's key apart.</summary>
    internal static void ReadIndex(ReadOnlySpan<byte> key, out byte[] indexKey, out ReadOnlySpan<byte> encodedKey)
    {
        int at = 1;
        ReadPart(key, ref at);
        indexKey = ReadPart(key, ref at);
        encodedKey = key[at..];
    }

    private static byte[] OfClient(RowTable table, ReadOnlySpan<byte> client, long number)
    {
        byte[] key = new byte[1 + IdBytes + sizeof(long)];
        key[0] = (byte)table;
        client.CopyTo(key.AsSpan(1));
        BinaryPrimitives.WriteInt64BigEndian(key.AsSpan(1 + IdBytes), number);
        return key;
    }

    private static int PartLength(ReadOnlySpan<byte> part) => part.Length + part.Count((byte)0) + 2;

    private static int WritePart(Span<byte> target, int at, ReadOnlySpan<byte> part)
    {
        foreach (byte value in part)
        {
            target[at++] = value;
            if (value == 0) target[at++] = EscapedZero;
        }

        target[at] = 0;
        target[at + 1] = PartEnd;
        return at + 2;
    }

    private static byte[] ReadPart(ReadOnlySpan<byte> key, ref int at)
    {
        var part = new List<byte>();
        while (key[at] != 0 || key[at + 1] != PartEnd)
        {
            part.Add(key[at]);
            at += key[at] == 0 ? 2 : 1;
        }

        at += 2;
        return [.. part];
    }
}
