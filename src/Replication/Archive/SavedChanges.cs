using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;
using Tidemark.Core.State;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Replication.Archive;

/// <summary>The changes of some entries, to be saved: so that copies can go on that the state itself has nothing for any more. Bytes: docs/format/archive.md.</summary>
internal sealed class SavedChanges : IStateSnapshot
{
    /// <summary>The number that stands for them in snapshot files.</summary>
    internal const ushort Number = 6;

    private const int Format = 1;
    private const int HeadFields = 6;
    private const int PieceBytes = 256 * 1024;

    private readonly StateReader _reader;
    private readonly ChangeHead _before;
    private readonly long _first;
    private long _next;
    private bool _isStarted;

    private SavedChanges(StateReader reader, ChangeHead before, long first, StatePosition end, StateHash hash) =>
        (_reader, _before, _first, _next, Position, Hash) = (reader, before, first, first, end, hash);

    public StatePosition Position { get; }

    public StateHash Hash { get; }

    /// <summary>Takes the changes from an entry to another.</summary>
    /// <param name="reader">The state, at the end or behind it. From now on this one's.</param>
    /// <param name="first">The first entry.</param>
    /// <param name="end">The last one.</param>
    /// <param name="hash">The hash of the state behind it.</param>
    /// <returns>Null where the state does not keep them all.</returns>
    internal static SavedChanges? TryTake(StateReader reader, long first, StatePosition end, StateHash hash)
    {
        if (reader.View.AppliedOffset >= end.Offset && SyncReads.HeadAt(reader, first - 1) is { } before) return new SavedChanges(reader, before, first, end, hash);
        reader.Dispose();
        return null;
    }

    public bool WriteNext(IBufferWriter<byte> piece)
    {
        if (!_isStarted)
        {
            _isStarted = true;
            WriteHead(piece);
            return true;
        }

        var writer = new MessagePackWriter(piece);
        int bytes = 0;
        using RowCursor cursor = _reader.OpenCursor();
        bool found = cursor.SeekAtOrAfter(RowKeys.Change(_next));
        for (; bytes < PieceBytes && found && cursor.Key[0] == (byte)RowTable.Change && RowKeys.ChangeOffset(cursor.Key) <= Position.Offset; found = cursor.MoveNext())
        {
            long offset = RowKeys.ChangeOffset(cursor.Key);
            writer.Write(offset);
            writer.Write(cursor.Value);
            bytes += cursor.Value.Length + sizeof(long);
            _next = offset + 1;
        }

        writer.Flush();
        return bytes > 0;
    }

    public void Dispose() => _reader.Dispose();

    /// <summary>Reads what is saved of the changes behind an entry.</summary>
    /// <param name="file">The file.</param>
    /// <param name="behind">The entry: the one before the first, or one of them.</param>
    /// <param name="mostBytes">About how many bytes of rows.</param>
    /// <exception cref="CorruptDataException">It is damaged.</exception>
    internal static PastChanges Read(SnapshotReader file, long behind, int mostBytes)
    {
        try
        {
            return Read(file.Pieces(), file.Info.Position.Offset, behind, mostBytes);
        }
        catch (MalformedDataException e)
        {
            throw new CorruptDataException(file.FilePath, SnapshotHeader.Size, "changes that make sense", e.Message);
        }
    }

    private static PastChanges Read(IEnumerable<ReadOnlyMemory<byte>> pieces, long last, long behind, int mostBytes)
    {
        ChangeHead? head = null;
        ChangeHead before = default;
        List<byte[]> rows = [];
        long bytes = 0;
        foreach (ReadOnlyMemory<byte> piece in pieces)
        {
            var reader = new MessagePackReader(piece.Span);
            if (head is null)
            {
                head = before = ReadHead(ref reader);
                continue;
            }

            while (!reader.End)
            {
                long offset = reader.ReadInt64();
                ReadOnlySpan<byte> row = reader.ReadBytes();
                if (bytes >= mostBytes) return new PastChanges(before.Content, rows, offset - 1, head.Value);   // The rest is not looked at: the next asks for it.
                head = ChangeScan.ReadHead(row);
                if (offset <= behind)
                {
                    before = head.Value;
                    continue;
                }

                rows.Add(row.ToArray());
                bytes += row.Length;
            }
        }

        return head is { } end ? new PastChanges(before.Content, rows, last, end) : throw new MalformedDataException(0, "the first piece says what comes before");
    }

    private static ChangeHead ReadHead(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(HeadFields, ref reader);
        if (reader.ReadInt64() is var format && format != Format) throw new MalformedDataException(0, $"changes of format {format}");
        reader.ReadInt64();
        return new ChangeHead(new HybridTimestamp(reader.ReadUInt64()), StateHash.Read(ref reader));
    }

    private void WriteHead(IBufferWriter<byte> piece)
    {
        var writer = new MessagePackWriter(piece);
        writer.WriteArrayHeader(HeadFields);
        writer.Write((long)Format);
        writer.Write(_first - 1);
        writer.Write(_before.Timestamp.Value);
        _before.Content.Write(ref writer);
        writer.Flush();
    }
}
