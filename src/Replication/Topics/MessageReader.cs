using Tidemark.Core.MessagePack;
using Tidemark.Core.Topics;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Replication.Topics;

/// <summary>Reads the messages of a partition from its log, and stays where it stopped, to read on.</summary>
/// <remarks>
/// Not thread-safe. What is read is copied once, entry by entry. A message is found by its offset in about log2(entries) looks at entries, since each says where its messages are; reading on costs no search.
/// </remarks>
internal sealed class MessageReader : IDisposable
{
    private readonly LogReader _log;
    private readonly int _partition;
    private ReadOnlyMemory<byte> _entry;   // Of which messages are left.
    private HybridTimestamp _timestamp;
    private int _at;                       // Where the next of them is.
    private int _left;

    internal MessageReader(LogEngine log, FilePool pool, Action released, int partition)
    {
        long start;
        lock (log.Gate) start = log.Start;
        _log = new LogReader(log, pool, released, start);
        _partition = partition;
    }

    /// <summary>The offset of the message that is read next; -1 where it stands nowhere.</summary>
    internal long Next { get; private set; } = -1;

    /// <summary>The entry that the next message is in, while messages of it are left.</summary>
    internal long Entry => _log.Next - 1;

    public void Dispose() => _log.Dispose();

    /// <summary>Goes to a message that is there.</summary>
    /// <exception cref="OffsetOutOfRangeException">Its entry was trimmed.</exception>
    internal void Seek(long offset, TopicBounds bounds)
    {
        if (Next == offset) return;
        Next = -1;
        long low = bounds.LogStart, high = bounds.Applied + 1;
        while (low < high)
        {
            long middle = low + ((high - low) / 2);
            _log.Seek(middle);
            if (!Fill(high)) high = middle;
            else if (Next > offset) high = middle;
            else if (Next + _left > offset) break;
            else low = _log.Next;
        }

        if (Next < 0 || offset < Next || offset >= Next + _left)
            throw new CorruptDataException($"partition {_partition}", offset, $"a message at offset {offset}", $"none, although it begins at {bounds.Start} and ends at {bounds.End}");
        for (var reader = new MessagePackReader(_entry.Span[_at..]); Next < offset; Next++, _left--)
        {
            long before = reader.Consumed;
            reader.Skip();
            _at += (int)(reader.Consumed - before);
        }
    }

    /// <summary>Reads on, up to the end of what is committed.</summary>
    /// <param name="bounds">What is.</param>
    /// <param name="messages">Gets the messages.</param>
    /// <param name="mostMessages">How many at most.</param>
    /// <param name="mostBytes">How many bytes are enough.</param>
    internal void ReadOn(TopicBounds bounds, List<StoredMessage> messages, int mostMessages, int mostBytes)
    {
        for (long bytes = 0; messages.Count < mostMessages && bytes < mostBytes;)
        {
            if (_left == 0 && !Fill(bounds.Applied + 1)) return;
            var reader = new MessagePackReader(_entry.Span);
            reader.ReadRaw(_at);
            for (; _left > 0 && messages.Count < mostMessages && bytes < mostBytes; _left--)
            {
                messages.Add(MessageCodec.Read(ref reader, _entry, _partition, Next++, _timestamp));
                bytes += reader.Consumed - _at;
                _at = (int)reader.Consumed;
            }
        }
    }

    /// <summary>Reads the messages before an offset, the nearest first; the one before it must be there.</summary>
    /// <inheritdoc cref="ReadOn"/>
    internal void ReadBack(long offset, TopicBounds bounds, List<StoredMessage> messages, int mostMessages, int mostBytes)
    {
        Next = -1;
        Seek(offset - 1, bounds);
        var entry = new List<StoredMessage>();
        for (long bytes = 0; messages.Count < mostMessages && bytes < mostBytes;)
        {
            _log.Seek(_log.Next - 1);   // Before the entry, which Fill has read.
            long place = _log.Next;
            if (!Fill(bounds.Applied + 1)) break;
            entry.Clear();
            ReadOn(bounds, entry, _left, int.MaxValue);
            for (int i = entry.Count - 1; i >= 0 && messages.Count < mostMessages && bytes < mostBytes; i--)
            {
                if (entry[i].Offset >= offset) continue;
                if (entry[i].Offset < bounds.Start) return;
                messages.Add(entry[i]);
                bytes += entry[i].Payload.Length;
            }

            _log.Seek(place);
            if (!SkipBack(bounds.LogStart)) return;
        }
    }

    /// <summary>The first message at or behind an entry, below another; null where there is none.</summary>
    internal long? FirstAt(long entry, long end)
    {
        _log.Seek(entry);
        return Fill(end) ? Next : null;
    }

    /// <summary>Goes behind the nearest entry before this place that has messages.</summary>
    private bool SkipBack(long start)
    {
        while (_log.Next > start && _log.TryReadBack(out LogRecord record))
        {
            if (!HasMessages(record, out _, out _)) continue;
            _log.Seek(record.Offset + 1);
            return true;
        }

        return false;
    }

    /// <summary>Takes the next entry that has messages, below an end.</summary>
    private bool Fill(long end)
    {
        (Next, _left) = (-1, 0);
        while (_log.Next < end && _log.TryRead(out LogRecord record))
        {
            if (!HasMessages(record, out BatchHead head, out int at)) continue;
            (_entry, _timestamp, Next, _left, _at) = (record.Payload.ToArray(), record.Timestamp, head.First, head.Count, at);
            return true;
        }

        return false;
    }

    private static bool HasMessages(in LogRecord record, out BatchHead head, out int at)
    {
        (head, at) = (default, 0);
        if (record.Kind != (ushort)TopicCommand.Append) return false;
        var reader = new MessagePackReader(record.Payload.Span);
        head = BatchCodec.ReadHead(ref reader);
        at = (int)reader.Consumed;
        return head.Count > 0;
    }
}
