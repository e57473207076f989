using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;
using Tidemark.Core.Replication;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Replication.Shards;

/// <summary>Reads what was saved of a log, once, from its first piece to its last, and brings a machine to the state it had. Bytes: docs/format/saved-log.md.</summary>
internal sealed class SavedLog : IDisposable
{
    private readonly SnapshotReader _file;
    private readonly IEnumerator<ReadOnlyMemory<byte>> _pieces;
    private bool _isThere;   // Whether the enumerator stands at a piece that nobody has taken yet.

    /// <param name="file">The file. It stays the caller's.</param>
    /// <param name="pieces">Its pieces, as it gives them.</param>
    /// <exception cref="CorruptDataException">It does not begin as such a file does.</exception>
    internal SavedLog(SnapshotReader file, IEnumerable<ReadOnlyMemory<byte>> pieces)
    {
        _file = file;
        _pieces = pieces.GetEnumerator();
        Base = Checked(ReadBase);
    }

    /// <summary>The entry before the first.</summary>
    internal StatePosition Base { get; }

    /// <summary>How many entries were read.</summary>
    internal long Entries { get; private set; }

    /// <summary>The bytes of their payloads.</summary>
    internal long Bytes { get; private set; }

    /// <summary>Brings a new machine to the base.</summary>
    /// <exception cref="CorruptDataException">The file is damaged.</exception>
    internal void RestoreBase(IStateMachine machine)
    {
        Checked(() =>
        {
            if (Base.Offset >= 0) machine.Restore(State(), Base);
            return true;
        });
    }

    /// <summary>Applies the entries behind the base, and compares what came of it with what the file says.</summary>
    /// <param name="machine">The machine, at the base or, where the entry before is not known but by its offset, at any entry behind it.</param>
    /// <param name="append">Gets each entry before it is applied.</param>
    /// <param name="until">Entries of later times are left out, and then nothing is compared.</param>
    /// <returns>Whether all were applied.</returns>
    /// <exception cref="CorruptDataException">The file is damaged, or its entries do not lead to its state.</exception>
    internal bool Replay(IStateMachine machine, Action<LogEntry>? append = null, HybridTimestamp? until = null)
    {
        bool isWhole = Checked(() =>
        {
            var answer = new ArrayBufferWriter<byte>();
            long offset = Base.Offset, done = machine.Position.Offset;
            foreach (LogEntry entry in ReadEntries())
            {
                if (entry.Timestamp > until) return false;
                offset++;
                append?.Invoke(entry);
                if (offset <= done || EntryKinds.IsMark(entry.Kind)) continue;
                answer.ResetWrittenCount();
                machine.Apply(new StateEntry(new StatePosition(entry.Term!.Value, offset, entry.Timestamp!.Value), entry.Kind, entry.Payload), answer);
            }

            return true;
        });
        if (!isWhole || (machine.Position == _file.Info.Position && machine.Hash == _file.Info.Hash)) return isWhole;
        throw Damage($"entries that lead to {_file.Info.Position} and the hash {_file.Info.Hash}", $"such to {machine.Position} and {machine.Hash}");
    }

    public void Dispose() => _pieces.Dispose();

    private StatePosition ReadBase()
    {
        if (!Next() || !IsAt(LogCut.BasePiece)) throw new MalformedDataException(0, "the first piece says what the base is");
        _isThere = false;
        var reader = new MessagePackReader(_pieces.Current.Span[1..]);
        CommandParts.ReadArrayOf(4, ref reader);
        if (reader.ReadInt64() is var format && format != LogCut.Format)
            throw new FormatMismatchException(_file.FilePath, $"a saved log of format {LogCut.Format}", $"one of format {format}");
        var position = new StatePosition(reader.ReadInt64(), reader.ReadInt64(), new HybridTimestamp(reader.ReadUInt64()));
        reader.ReadEnd();
        return position.Offset >= -1 && position.Term >= 0 ? position : throw new MalformedDataException(0, "there is no such position");
    }

    private IEnumerable<ReadOnlyMemory<byte>> State()
    {
        while (Next() && IsAt(LogCut.StatePiece))
        {
            _isThere = false;
            yield return _pieces.Current[1..];
        }
    }

    private IEnumerable<LogEntry> ReadEntries()
    {
        var longPayload = new ArrayBufferWriter<byte>();
        while (Next())
        {
            Take();
            ReadOnlyMemory<byte> rest = _pieces.Current[1..];
            while (!rest.IsEmpty)
            {
                (LogEntry entry, long length) = ReadHead(ref rest);
                longPayload.ResetWrittenCount();
                while (length > longPayload.WrittenCount + rest.Length)
                {
                    longPayload.Write(rest.Span);
                    if (!Next()) throw new MalformedDataException(0, "the last entry is cut off");
                    Take();
                    rest = _pieces.Current[1..];
                }

                int last = (int)length - longPayload.WrittenCount;
                ReadOnlyMemory<byte> payload = rest[..last];
                if (longPayload.WrittenCount > 0)
                {
                    longPayload.Write(payload.Span);
                    payload = longPayload.WrittenMemory;
                }

                rest = rest[last..];
                Entries++;
                Bytes += length;
                yield return entry with { Payload = payload };
            }
        }
    }

    private static (LogEntry Entry, long Length) ReadHead(ref ReadOnlyMemory<byte> rest)
    {
        var reader = new MessagePackReader(rest.Span);
        CommandParts.ReadArrayOf(4, ref reader);
        var entry = new LogEntry { Term = reader.ReadInt64(), Timestamp = new HybridTimestamp(reader.ReadUInt64()), Kind = reader.ReadUInt16() };
        long length = reader.ReadInt64();
        if (length is < 0 or > LogOptions.LargestBatchBytes) throw new MalformedDataException(reader.Consumed, "no entry is as long");
        rest = rest[(int)reader.Consumed..];
        return (entry, length);
    }

    private void Take()
    {
        if (!IsAt(LogCut.EntryPiece)) throw new MalformedDataException(0, "behind the base's state are entries alone");
        _isThere = false;
    }

    private bool Next() => _isThere || (_isThere = _pieces.MoveNext());

    private bool IsAt(byte kind) => !_pieces.Current.IsEmpty && _pieces.Current.Span[0] == kind;

    /// <summary>Checksums fit, so what does not make sense was written so: whatever the machine says of it, it is damage.</summary>
    private T Checked<T>(Func<T> part)
    {
        try
        {
            return part();
        }
        catch (Exception e) when (e is MalformedDataException or InvalidOperationException)
        {
            throw Damage("a saved log that makes sense", e.Message);
        }
    }

    private CorruptDataException Damage(string expected, string found) => new(_file.FilePath, SnapshotHeader.Size, expected, found);
}
