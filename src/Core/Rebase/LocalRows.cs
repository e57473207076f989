using System.Buffers;
using System.Buffers.Binary;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;

namespace Tidemark.Core.Rebase;

/// <summary>Rows of a local store's state. Bytes: docs/format/local-state.md.</summary>
internal static class LocalRows
{
    internal const byte TimelineTable = 0x20, RejectionTable = 0x21;

    /// <summary>What tells the second set of a copy's tables from the first.</summary>
    internal const byte OtherTables = 0x40;

    internal const int NumberBytes = sizeof(long);

    internal const int CursorBytes = NumberBytes + TimelineLink.Bytes;

    /// <summary>The table of records, in a set of tables.</summary>
    internal static byte Records(byte tables) => (byte)((byte)RowTable.Record | tables);

    /// <summary>The table of cursors, in a set of tables.</summary>
    internal static byte Cursors(byte tables) => (byte)((byte)RowTable.SyncCursor | tables);

    /// <summary>The key of a copy's row, in a set of tables. The server's own has the first set's key.</summary>
    internal static byte[] Copied(ReadOnlySpan<byte> rowKey, byte tables)
    {
        byte[] key = rowKey.ToArray();
        key[0] |= tables;
        return key;
    }

    internal static byte[] Cursor(Guid client, byte tables)
    {
        byte[] key = new byte[1 + RowKeys.IdBytes];
        key[0] = Cursors(tables);
        client.TryWriteBytes(key.AsSpan(1), bigEndian: true, out _);
        return key;
    }

    internal static byte[] Timeline(long mutation)
    {
        byte[] key = new byte[1 + sizeof(long)];
        key[0] = TimelineTable;
        BinaryPrimitives.WriteInt64BigEndian(key.AsSpan(1), mutation);
        return key;
    }

    internal static byte[] Rejection(Guid client, long mutation)
    {
        byte[] key = new byte[1 + RowKeys.IdBytes + sizeof(long)];
        key[0] = RejectionTable;
        client.TryWriteBytes(key.AsSpan(1), bigEndian: true, out _);
        BinaryPrimitives.WriteInt64BigEndian(key.AsSpan(1 + RowKeys.IdBytes), mutation);
        return key;
    }

    /// <summary>The value of a copy's row: its number, then what stands there.</summary>
    internal static byte[] Numbered(long number, ReadOnlySpan<byte> value)
    {
        byte[] row = new byte[NumberBytes + value.Length];
        BinaryPrimitives.WriteInt64LittleEndian(row, number);
        value.CopyTo(row.AsSpan(NumberBytes));
        return row;
    }

    internal static long Number(ReadOnlySpan<byte> row) => BinaryPrimitives.ReadInt64LittleEndian(row);

    internal static byte[] WriteTimeline(TimelineLink link, TimelineEntry mutation)
    {
        var output = new ArrayBufferWriter<byte>(64 + mutation.Arguments.Length);
        link.Write(output.GetSpan(TimelineLink.Bytes));
        output.Advance(TimelineLink.Bytes);
        var writer = new MessagePackWriter(output);
        mutation.Write(ref writer);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    internal static (TimelineLink Link, TimelineEntry Mutation) ReadTimeline(ReadOnlySpan<byte> row)
    {
        var reader = new MessagePackReader(row[TimelineLink.Bytes..]);
        return (TimelineLink.Read(row), TimelineEntry.Read(ref reader));
    }

    internal static byte[] WriteRejection(in SyncRejection rejection, TimelineEntry mutation)
    {
        var output = new ArrayBufferWriter<byte>(64 + mutation.Arguments.Length);
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(3);
        writer.Write(rejection.Code);
        writer.Write(rejection.Text);
        mutation.Write(ref writer);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    internal static (SyncRejection Rejection, TimelineEntry Mutation) ReadRejection(ReadOnlySpan<byte> row)
    {
        var reader = new MessagePackReader(row);
        CommandParts.ReadArrayOf(3, ref reader);
        string code = reader.ReadString() ?? "";
        string? text = reader.ReadString();
        var mutation = TimelineEntry.Read(ref reader);
        return (new SyncRejection(mutation.Id, code, text), mutation);
    }
}
