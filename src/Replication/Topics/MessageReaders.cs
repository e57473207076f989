using Tidemark.Core.Topics;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Replication.Topics;

/// <summary>Reads a partition's log for everybody: whoever reads on where somebody has stopped gets the reader that stands there.</summary>
/// <remarks>Any thread. A reader holds a buffer and a segment; a few rest between two readings.</remarks>
internal sealed class MessageReaders(LogEngine log, FilePool pool, Action released, int partition) : IDisposable
{
    private const int MostResting = 2;

    private readonly List<MessageReader> _resting = [];   // The one used last at the end.
    private bool _isDisposed;

    internal List<StoredMessage> Read(long offset, TopicBounds bounds, int mostMessages, int mostBytes)
    {
        var messages = new List<StoredMessage>();
        if (offset >= bounds.End) return messages;
        MessageReader reader = Take(offset);
        try
        {
            reader.Seek(offset, bounds);
            reader.ReadOn(bounds, messages, mostMessages, mostBytes);
        }
        catch
        {
            reader.Dispose();
            throw;
        }

        Rest(reader);
        return messages;
    }

    internal List<StoredMessage> ReadBack(long offset, TopicBounds bounds, int mostMessages, int mostBytes)
    {
        var messages = new List<StoredMessage>();
        if (offset <= bounds.Start) return messages;
        using var reader = new MessageReader(log, pool, released, partition);
        reader.ReadBack(offset, bounds, messages, mostMessages, mostBytes);
        return messages;
    }

    /// <summary>The first message that was appended at or after a time; the end where there is none.</summary>
    internal long Find(HybridTimestamp time, TopicBounds bounds)
    {
        using var records = new LogReader(log, pool, released, time);
        while (records.Next <= bounds.Applied && records.TryRead(out LogRecord record))
        {
            if (record.Timestamp < time) continue;
            using var reader = new MessageReader(log, pool, released, partition);
            return Math.Max(bounds.Start, reader.FirstAt(record.Offset, bounds.Applied + 1) ?? bounds.End);
        }

        return bounds.End;
    }

    /// <summary>The entry that holds a message.</summary>
    internal long EntryOf(long offset, TopicBounds bounds)
    {
        using var reader = new MessageReader(log, pool, released, partition);
        reader.Seek(offset, bounds);
        return reader.Entry;
    }

    /// <summary>The first message at or behind an entry that is applied; null where there is none.</summary>
    internal long? FirstMessageAt(long entry, long applied)
    {
        using var reader = new MessageReader(log, pool, released, partition);
        return reader.FirstAt(entry, applied + 1);
    }

    /// <summary>Lets go of what nobody is reading, so that files which were trimmed can be removed.</summary>
    internal void Clear()
    {
        MessageReader[] resting;
        lock (_resting)
        {
            resting = [.. _resting];
            _resting.Clear();
        }

        foreach (MessageReader reader in resting) reader.Dispose();
    }

    public void Dispose()
    {
        lock (_resting) _isDisposed = true;
        Clear();
    }

    private MessageReader Take(long offset)
    {
        lock (_resting)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(Topic));
            int at = _resting.FindIndex(reader => reader.Next == offset);
            if (at < 0 && _resting.Count == MostResting) at = 0;   // The one that rests longest goes elsewhere.
            if (at >= 0)
            {
                MessageReader reader = _resting[at];
                _resting.RemoveAt(at);
                return reader;
            }
        }

        return new MessageReader(log, pool, released, partition);
    }

    private void Rest(MessageReader reader)
    {
        MessageReader? surplus = reader;
        lock (_resting)
        {
            if (!_isDisposed)
            {
                _resting.Add(reader);
                surplus = null;
                if (_resting.Count > MostResting)
                {
                    surplus = _resting[0];
                    _resting.RemoveAt(0);
                }
            }
        }

        surplus?.Dispose();
    }
}
