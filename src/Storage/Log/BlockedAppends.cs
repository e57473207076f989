namespace Tidemark.Storage.Log;

/// <summary>Appends that found no room, with copies of their records, first come first served.</summary>
/// <remarks>Guarded by the log's gate. The common append never comes here.</remarks>
internal sealed class BlockedAppends(int mostBytes)
{
    private readonly Queue<(LogEntry[] Entries, AppendWaiter Waiter, int Bytes)> _queue = new();
    private int _bytes;

    internal bool IsEmpty => _queue.Count == 0;

    /// <summary>Copies the records and queues the append.</summary>
    /// <exception cref="OverloadedException">Too much waits already.</exception>
    internal void Add(ReadOnlySpan<LogEntry> entries, AppendWaiter waiter)
    {
        LogEntry[] copies = Copy(entries, out int bytes);
        _bytes += bytes;
        _queue.Enqueue((copies, waiter, bytes));
    }

    /// <summary>Refuses an append that would make too many bytes wait. One append alone is always let in.</summary>
    internal void ThrowIfFull(ReadOnlySpan<LogEntry> entries)
    {
        long bytes = 0;
        foreach (ref readonly LogEntry entry in entries) bytes += entry.Payload.Length + FrameHeader.Size;
        if (!IsEmpty && _bytes + bytes > mostBytes)
            throw new OverloadedException($"{_bytes} bytes of appends wait for the disk already, and {nameof(LogOptions.MaxPendingBytes)} is {mostBytes}.");
    }

    internal (LogEntry[] Entries, AppendWaiter Waiter) Peek() => (_queue.Peek().Entries, _queue.Peek().Waiter);

    internal void Remove() => _bytes -= _queue.Dequeue().Bytes;

    private static LogEntry[] Copy(ReadOnlySpan<LogEntry> entries, out int bytes)
    {
        var copies = new LogEntry[entries.Length];
        bytes = 0;
        for (int i = 0; i < entries.Length; i++)
        {
            copies[i] = entries[i] with { Payload = entries[i].Payload.ToArray() };
            bytes += entries[i].Payload.Length + FrameHeader.Size;
        }

        return copies;
    }
}
