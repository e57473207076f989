using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;
using Tidemark.Core.Replication;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Replication.Shards;

/// <summary>What a shard's log has, up to the newest entry that was applied, to be saved: perhaps a state, and all entries behind it. Bytes: docs/format/saved-log.md.</summary>
/// <remarks>
/// Made on the shard's thread, which looks at nothing but where things are; read by any one thread. Segments and state stay readable until it is disposed, whatever is appended or trimmed meanwhile.
/// </remarks>
internal sealed class LogCut : IStateSnapshot
{
    internal const int Format = 1;
    internal const byte BasePiece = 0, StatePiece = 1, EntryPiece = 2;

    private const int PieceBytes = 256 * 1024;

    private readonly LogEngine _log;
    private readonly Action _released;
    private readonly SnapshotReader? _base;
    private readonly StatePosition _before;
    private readonly Segment[] _segments;
    private readonly IEnumerator<ReadOnlyMemory<byte>>? _state;
    private readonly IEnumerator<LogRecord> _entries;
    private ReadOnlyMemory<byte> _payload;   // What is left of an entry that did not fit into a piece.
    private bool _isStarted;
    private bool _isStateRead;
    private long? _lastCommand;

    /// <param name="state">The shard's log and state.</param>
    /// <param name="baseState">The state to begin with; null for none. It is closed with this.</param>
    /// <param name="before">The entry before the first. Where it is not known but by its offset, term and timestamp are 0.</param>
    /// <param name="pool">The pool that holds the log's files.</param>
    /// <param name="released">Called where files that were read may be removed now.</param>
    internal LogCut(ShardState state, SnapshotReader? baseState, StatePosition before, FilePool pool, Action released)
    {
        (_log, _base, _before, _released) = (state.Log, baseState, before, released);
        (Position, Hash) = (state.Machine.Position, state.Machine.Hash);
        _state = _base?.Pieces().GetEnumerator();
        long from = before.Offset + 1;
        lock (_log.Gate)
        {
            // Only this thread lets segments go from the log, so those behind the base are there.
            Segment first = _log.Segments.Containing(from);
            _segments = [.. _log.Segments.All.SkipWhile(segment => segment != first).TakeWhile(segment => segment.FirstOffset <= Math.Max(from, Position.Offset))];
            foreach (Segment segment in _segments) SegmentList.Pin(segment);
        }

        _entries = LogReplay.Read(_segments, pool, from, Position.Offset + 1).GetEnumerator();
    }

    /// <summary>The last entry.</summary>
    public StatePosition Position { get; }

    /// <summary>The hash of the state behind it.</summary>
    public StateHash Hash { get; }

    /// <summary>The first entry.</summary>
    internal long First => _before.Offset + 1;

    /// <summary>Of what was read so far, the last entry of a key-value shard that is more than a mark or empty; the one before the first where there is none.</summary>
    internal long LastCommand => _lastCommand ?? _before.Offset;

    /// <summary>Writes what stands before an entry's payload.</summary>
    internal static void WriteHead(IBufferWriter<byte> piece, in LogRecord entry)
    {
        var writer = new MessagePackWriter(piece);
        writer.WriteArrayHeader(4);
        writer.Write(entry.Term);
        writer.Write(entry.Timestamp.Value);
        writer.Write((long)entry.Kind);
        writer.Write((long)entry.Payload.Length);
        writer.Flush();
    }

    /// <exception cref="CorruptDataException">The base or the log is damaged.</exception>
    public bool WriteNext(IBufferWriter<byte> piece)
    {
        if (!_isStarted)
        {
            _isStarted = true;
            WriteBase(piece);
            return true;
        }

        if (!_isStateRead && _state is not null && _state.MoveNext())
        {
            piece.Write([StatePiece]);
            piece.Write(_state.Current.Span);
            return true;
        }

        _isStateRead = true;
        return WriteEntries(piece);
    }

    public void Dispose()
    {
        _entries.Dispose();
        _state?.Dispose();
        _base?.Dispose();
        bool hasGarbage = false;
        lock (_log.Gate)
        {
            foreach (Segment segment in _segments) hasGarbage |= SegmentList.Unpin(segment);
        }

        if (hasGarbage) _released();
    }

    private void WriteBase(IBufferWriter<byte> piece)
    {
        piece.Write([BasePiece]);
        var writer = new MessagePackWriter(piece);
        writer.WriteArrayHeader(4);
        writer.Write((long)Format);
        writer.Write(_before.Term);
        writer.Write(_before.Offset);
        writer.Write(_before.Timestamp.Value);
        writer.Flush();
    }

    private bool WriteEntries(IBufferWriter<byte> piece)
    {
        if (_payload.IsEmpty && !_entries.MoveNext()) return false;
        piece.Write([EntryPiece]);
        int room = PieceBytes;
        if (_payload.IsEmpty) BeginEntry(piece, _entries.Current);
        room -= WritePayload(piece, room);
        while (room > 0 && _entries.MoveNext())
        {
            BeginEntry(piece, _entries.Current);
            room -= WritePayload(piece, room);
        }

        return true;
    }

    private void BeginEntry(IBufferWriter<byte> piece, in LogRecord entry)
    {
        WriteHead(piece, entry);
        if (!EntryKinds.IsMark(entry.Kind) && entry.Kind != (ushort)KvCommand.None) _lastCommand = entry.Offset;
        _payload = entry.Payload;   // Valid until the next entry is asked for, which is not before it was written.
    }

    private int WritePayload(IBufferWriter<byte> piece, int room)
    {
        int count = Math.Min(room, _payload.Length);
        piece.Write(_payload.Span[..count]);
        _payload = _payload[count..];
        return count + 1;   // An entry without a payload takes room too.
    }
}
