using System.Buffers;
using System.Diagnostics;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;
using Tidemark.Core.State;

namespace Tidemark.Core.Topics;

/// <summary>Where a partition begins and ends, as readers see it.</summary>
/// <param name="Start">The first offset that is kept.</param>
/// <param name="End">The offset that the next message gets.</param>
/// <param name="Released">A consumer has read all before this offset.</param>
/// <param name="LogStart">The first entry of the log that is needed.</param>
/// <param name="Timestamp">When messages were last appended.</param>
/// <param name="Applied">The last entry of the log that this is behind.</param>
internal sealed record TopicBounds(long Start, long End, long Released, long LogStart, HybridTimestamp Timestamp, long Applied)
{
    internal static TopicBounds Empty { get; } = new(0, 0, 0, 0, HybridTimestamp.MinValue, -1);
}

/// <summary>The state machine of a partition: not the messages, which are in the log, but where they begin and end, which producers there are, and which ids are remembered.</summary>
/// <remarks>
/// The leader has decided before an entry was written what it comes to (<see cref="TopicLeader"/>), and the entry says it: applying takes note of it. So a log can be read without its state.
/// One thread applies; others read <see cref="Bounds"/>. Rows and commands: docs/format/topic-entries.md.
/// </remarks>
internal sealed class TopicMachine : IStateMachine, IKeepsLog, IDisposable
{
    /// <summary>The number that stands for this machine in snapshot files.</summary>
    internal const ushort Number = 2;

    private const int HeaderFormat = 1;
    private const int HeaderFields = 16;

    private readonly KvIdentity _identity;
    private readonly StateTable _table = new(new MemoryEngine());
    private StatePosition _position = StatePosition.Start;
    private long _producers, _ids, _firstId;   // How many rows of each; where the oldest id was, or behind it.
    private volatile TopicBounds _bounds = TopicBounds.Empty;

    internal TopicMachine(KvIdentity identity) => _identity = identity;

    public StatePosition Position => _position;

    public StateHash Hash => _table.Hash.With(RowSnapshot.HeaderKey, BoundsBytes());

    /// <summary>What may be read, as of the last call of <see cref="Publish"/>.</summary>
    internal TopicBounds Bounds => _bounds;

    /// <summary>The thread that applies: the offset that the next message gets.</summary>
    internal long End { get; private set; }

    internal long Start { get; private set; }

    internal long Released { get; private set; }

    internal HybridTimestamp LastAppend { get; private set; } = HybridTimestamp.MinValue;

    public long LogStart { get; private set; }

    /// <summary>The settings in force; null before the partition was configured.</summary>
    internal TopicSettings? Settings { get; private set; }

    internal long ProducerCount => _producers;

    /// <summary>Shows readers what was applied.</summary>
    internal void Publish() => _bounds = new TopicBounds(Start, End, Released, LogStart, LastAppend, _position.Offset);

    public void Apply(in StateEntry entry, IBufferWriter<byte> answer)
    {
        _position = entry.Position;
        TopicAnswer result;
        try
        {
            result = Apply((TopicCommand)entry.Kind, entry.Payload.Span);
        }
        catch (MalformedDataException)
        {
            result = Refused(StoreStatus.Malformed);
        }

        result.Write(answer);
    }

    /// <exception cref="MalformedDataException">Always: readers have <see cref="Bounds"/>.</exception>
    public void Query(ReadOnlySpan<byte> request, IBufferWriter<byte> answer) => throw new MalformedDataException(0, "a partition answers no questions");

    public IStateSnapshot TakeSnapshot()
    {
        _table.Publish(_position.Offset);
        return new RowSnapshot(StateReader.Open(_table), WriteHeader(), _position, Hash, _table.Hash);
    }

    public void Restore(IEnumerable<ReadOnlyMemory<byte>> pieces, StatePosition position)
    {
        ReadHeader(RowSnapshot.Load(_table, pieces));
        if (_position != position) throw new MalformedDataException(0, $"the header says {_position}, the snapshot {position}");
        StateHash hash = RowSnapshot.Sum(_table);
        if (hash != _table.Hash) throw new MalformedDataException(0, $"the rows have the hash {hash}, the header says {_table.Hash}");
        Settings = _table.Find(TopicRows.Settings) is { } settings ? TopicSettings.Read(settings) : null;
        Publish();
    }

    /// <summary>What a producer appended last; null where it is not known.</summary>
    internal ProducerRow? FindProducer(Guid producer) => _table.Find(TopicRows.Producer(producer)) is { } row ? ProducerRow.Read(row) : null;

    /// <summary>Where the message with an id is, if it is remembered.</summary>
    internal long? FindId(Guid id) => _table.TryGet(TopicRows.Id(id), out ReadOnlySpan<byte> row) ? TopicRows.ReadOffset(row) : null;

    /// <summary>The producers that appended last before a time, up to a number of them.</summary>
    internal List<(Guid Producer, HybridTimestamp LastUsed)> IdleSince(HybridTimestamp time, int most)
    {
        List<(Guid, HybridTimestamp)> idle = [];
        using RowCursor cursor = _table.OpenCursor();
        bool found = cursor.SeekAtOrAfter([TopicRows.ProducerTable]);
        for (; found && cursor.Key[0] == TopicRows.ProducerTable && idle.Count < most; found = cursor.MoveNext())
        {
            var row = ProducerRow.Read(cursor.Value);
            if (row.LastUsed.Value < time.Value) idle.Add((new Guid(cursor.Key[1..], bigEndian: true), row.LastUsed));
        }

        return idle;
    }

    public void Dispose() => _table.Dispose();

    private TopicAnswer Apply(TopicCommand command, ReadOnlySpan<byte> payload)
    {
        var reader = new MessagePackReader(payload);
        return command switch
        {
            TopicCommand.Append => Append(ref reader),
            TopicCommand.Configure => Configure(payload),
            TopicCommand.Trim => Trim(ref reader),
            TopicCommand.Release => Release(ref reader),
            TopicCommand.RegisterProducer => Register(ref reader),
            TopicCommand.ForgetProducers => Forget(payload),
            TopicCommand.Repeat => Repeat(ref reader),
            _ => Refused(StoreStatus.UnknownCommand),
        };
    }

    private TopicAnswer Append(ref MessagePackReader reader)
    {
        BatchHead head = BatchCodec.ReadHead(ref reader);
        var result = new TopicAnswer(StoreStatus.Ok, head.First, head.Count, head.Duplicates, _position.Timestamp);
        if (head.Count > 0)
        {
            // The leader numbers batches in the order of the log. One with another number would be read wrongly for ever.
            if (head.First != End) throw new InvalidOperationException($"A batch says that it begins at {head.First}, and the partition ends at {End}.");
            if (Settings is { DeduplicationIds: > 0 }) Remember(ref reader, head);
            End += head.Count;
            LastAppend = _position.Timestamp;
        }
        else if (head.Duplicates == 0)
        {
            result = result with { Status = StoreStatus.VersionMismatch, Offset = End };
        }

        if (head.Producer is { } producer && FindProducer(producer) is { } before)
        {
            Debug.Assert(head.Sequence == before.Sequence + 1, "the leader lets a producer's next append through, and no other");
            _table.Set(TopicRows.Producer(producer), new ProducerRow(head.Sequence, result, _position.Timestamp).ToBytes());
        }

        return result;
    }

    private void Remember(ref MessagePackReader reader, in BatchHead head)
    {
        for (int i = 0; i < head.Count; i++)
        {
            Guid id = MessageCodec.ReadIdAlone(ref reader);
            byte[] offset = TopicRows.Offset(head.First + i);
            _table.Set(TopicRows.Id(id), offset);
            _table.Add(TopicRows.IdAt(head.First + i), id.ToByteArray(bigEndian: true));
            _ids++;
        }

        ForgetIds(Settings!.DeduplicationIds);
    }

    private void ForgetIds(int kept)
    {
        for (; _ids > kept; _firstId++)
        {
            byte[] at = TopicRows.IdAt(_firstId);
            if (_table.Find(at) is not { } id) continue;   // Where ids were not remembered, or were forgotten.
            byte[] key = TopicRows.Id(new Guid(id, bigEndian: true));
            if (_table.Find(key) is { } offset && TopicRows.ReadOffset(offset) == _firstId) _table.Remove(key, offset);
            _table.Remove(at, id);
            _ids--;
        }

        if (_ids == 0) _firstId = End;
    }

    private TopicAnswer Configure(ReadOnlySpan<byte> payload)
    {
        var settings = TopicSettings.Read(payload);
        var row = new ArrayBufferWriter<byte>(32);
        settings.Write(row);
        _table.Set(TopicRows.Settings, row.WrittenSpan.ToArray());
        Settings = settings;
        ForgetIds(settings.DeduplicationIds);
        return Done();
    }

    private TopicAnswer Trim(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(2, ref reader);
        (long before, long logStart) = (reader.ReadInt64(), reader.ReadInt64());
        reader.ReadEnd();
        if (before > End || logStart > _position.Offset) return Refused(StoreStatus.RangeRefused);
        if (before > Start) (Start, LogStart) = (before, Math.Max(LogStart, logStart));
        return Done();
    }

    private TopicAnswer Release(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(1, ref reader);
        long before = reader.ReadInt64();
        reader.ReadEnd();
        Released = Math.Clamp(before, Released, End);
        return Done();
    }

    private TopicAnswer Register(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(1, ref reader);
        byte[] key = TopicRows.Producer(CommandParts.ReadGuid(ref reader));
        reader.ReadEnd();
        if (_table.TryGet(key, out _)) return Done();
        if (Settings is null || _producers >= Settings.MaxProducers) return Refused(StoreStatus.TooManyClients);
        _table.Add(key, new ProducerRow(0, default, _position.Timestamp).ToBytes());
        _producers++;
        return Done();
    }

    private TopicAnswer Forget(ReadOnlySpan<byte> payload)
    {
        foreach ((Guid producer, HybridTimestamp? lastUsed) in ForgottenProducers.Read(payload))
        {
            byte[] key = TopicRows.Producer(producer);
            if (_table.Find(key) is not { } row || (lastUsed is { } when && ProducerRow.Read(row).LastUsed != when)) continue;
            _table.Remove(key, row);
            _producers--;
        }

        return Done();
    }

    private TopicAnswer Repeat(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(2, ref reader);
        var producer = CommandParts.ReadGuid(ref reader);
        long sequence = reader.ReadInt64();
        reader.ReadEnd();
        if (FindProducer(producer) is not { } row) return Refused(StoreStatus.ClientNotFound);
        if (row.Sequence == sequence) return row.Result;
        return Refused(row.Sequence < sequence ? StoreStatus.SequenceGap : StoreStatus.OutcomeForgotten);
    }

    private TopicAnswer Done() => new(StoreStatus.Ok, End, 0, 0, _position.Timestamp);

    private TopicAnswer Refused(StoreStatus status) => Done() with { Status = status };

    private byte[] BoundsBytes()
    {
        var output = new ArrayBufferWriter<byte>(64);
        var writer = new MessagePackWriter(output);
        WriteBounds(ref writer);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    private void WriteBounds(ref MessagePackWriter writer)
    {
        writer.Write(Start);
        writer.Write(End);
        writer.Write(Released);
        writer.Write(LogStart);
        writer.Write(LastAppend.Value);
    }

    private byte[] WriteHeader()
    {
        var output = new ArrayBufferWriter<byte>(160);
        var writer = new MessagePackWriter(output);
        StateHeader.WriteStart(ref writer, HeaderFields, HeaderFormat, _identity, _position);
        WriteBounds(ref writer);
        writer.Write(_producers);
        writer.Write(_ids);
        writer.Write(_firstId);
        StateHash.WriteAlgorithm(ref writer);
        writer.WriteArrayHeader(3);
        _table.Hash.Write(ref writer);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    private void ReadHeader(ReadOnlySpan<byte> header)
    {
        var reader = new MessagePackReader(header);
        (_, _position) = StateHeader.ReadStart(ref reader, HeaderFields, HeaderFormat);   // Whose it was does not matter: whoever restores it has asked for it.
        (Start, End, Released, LogStart, LastAppend) = (reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64(), new HybridTimestamp(reader.ReadUInt64()));
        (_producers, _ids, _firstId) = (reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64());
        StateHash.ReadAlgorithm(ref reader);
        CommandParts.ReadArrayOf(3, ref reader);
        _table.Hash = StateHash.Read(ref reader);
        reader.ReadEnd();
    }
}
