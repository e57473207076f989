using Tidemark.Core.Diagnostics;
using Tidemark.Core.Topics;
using Tidemark.Replication.Shards;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Replication.Topics;

/// <summary>Reads a partition whose log is in this process.</summary>
/// <remarks>Any thread, but for <see cref="Publish"/>, which is the shard's.</remarks>
internal sealed class PartitionReads : IDisposable
{
    private readonly int _partition;
    private readonly TopicMachine _machine;
    private readonly LogEngine _log;
    private readonly MessageReaders _readers;
    private volatile TopicBounds? _cut;   // What was found where the log begins behind what the state says.
    private long _logStart;

    /// <param name="partition">The partition's number.</param>
    /// <param name="state">Its log and state.</param>
    /// <param name="pool">The pool that holds the log's files.</param>
    /// <param name="released">Called where files that were read may be removed now.</param>
    internal PartitionReads(int partition, ShardState state, FilePool pool, Action released)
    {
        (_partition, _machine, _log) = (partition, (TopicMachine)state.Machine, state.Log);
        _readers = new MessageReaders(state.Log, pool, released, partition);
        Log = new PartitionLog(state.Log, pool, _readers, () => _machine.Position.Offset);
    }

    /// <summary>What readers see now.</summary>
    /// <remarks>
    /// A state may be older than the beginning of its log: that of a replica that was started again, or was given the base, before it has applied the entry which let messages go. What it says is kept
    /// is not there then. It begins with the first message that the log has, which is at or before the one where the partition begins by now: so a reader is sent no further than it has to go.
    /// </remarks>
    internal TopicBounds Bounds
    {
        get
        {
            TopicBounds bounds = _machine.Bounds;
            long start;
            lock (_log.Gate) start = _log.Start;
            if (bounds.LogStart >= start || Planted.Is(PlantedBug.EntriesForMessages)) return bounds;
            TopicBounds? cut = _cut;
            if (cut is null || cut.Applied != bounds.Applied || cut.LogStart != start)
                _cut = cut = bounds with { Start = Math.Max(bounds.Start, _readers.FirstMessageAt(start, bounds.Applied) ?? bounds.End), LogStart = start };
            return cut;
        }
    }

    internal PartitionInfo Info
    {
        get
        {
            TopicBounds bounds = Bounds;
            return new PartitionInfo(_partition, bounds.Start, bounds.End, bounds.Timestamp);
        }
    }

    /// <summary>The log, for its leader.</summary>
    internal PartitionLog Log { get; }

    /// <summary>Shows readers what was applied.</summary>
    internal void Publish()
    {
        _machine.Publish();
        if (_logStart == _machine.LogStart) return;
        _logStart = _machine.LogStart;
        _readers.Clear();
    }

    /// <exception cref="OffsetOutOfRangeException">The offset is not there, and the options do not say where to go instead.</exception>
    internal TopicPage Read(TopicPosition from, TopicReadOptions options)
    {
        while (true)
        {
            TopicBounds bounds = Bounds;
            try
            {
                return Read(Resolve(from, options, bounds), options, bounds);
            }
            catch (Exception e) when (Bounds.LogStart != bounds.LogStart && e is OffsetOutOfRangeException or CorruptDataException or IOException)
            {
                // What was being read is gone meanwhile: whether its place is still there shows when it is looked for again.
            }
        }
    }

    /// <summary>The command that lets the messages before an offset go; null where they are gone.</summary>
    /// <exception cref="OffsetOutOfRangeException">It is beyond the end.</exception>
    internal byte[]? TrimCommand(long before)
    {
        TopicBounds bounds = Bounds;
        if (before > bounds.End) throw new OffsetOutOfRangeException(before, bounds.Start, bounds.End, _partition);
        if (before <= bounds.Start) return null;
        long entry = before == bounds.End ? bounds.Applied : _readers.EntryOf(before, bounds);
        return TopicCommands.Numbers([before, entry]);
    }

    public void Dispose() => _readers.Dispose();

    private TopicPage Read(long offset, TopicReadOptions options, TopicBounds bounds)
    {
        List<StoredMessage> messages = options.Reverse
            ? _readers.ReadBack(offset, bounds, options.MaxMessages, options.MaxBytes)
            : _readers.Read(offset, bounds, options.MaxMessages, options.MaxBytes);
        long next = messages.Count == 0 ? offset : options.Reverse ? messages[^1].Offset : messages[^1].Offset + 1;
        return new TopicPage(messages, next, bounds.Start, bounds.End);
    }

    private long Resolve(TopicPosition from, TopicReadOptions options, TopicBounds bounds)
    {
        switch (from.Kind)
        {
            case TopicPositionKind.First:
                return bounds.Start;
            case TopicPositionKind.End:
                return bounds.End;
            case TopicPositionKind.Last:
                return Math.Max(bounds.Start, bounds.End - from.Number);
            case TopicPositionKind.Time:
                return _readers.Find(new HybridTimestamp(unchecked((ulong)from.Number)), bounds);
            default:
                if (from.Number >= bounds.Start && from.Number <= bounds.End) return from.Number;
                return options.OutOfRange switch
                {
                    OutOfRangePolicy.First => bounds.Start,
                    OutOfRangePolicy.End => bounds.End,
                    _ => throw new OffsetOutOfRangeException(from.Number, bounds.Start, bounds.End, _partition),
                };
        }
    }
}
