using System.Buffers;

using Tidemark.Core.Diagnostics;
using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;
using Tidemark.Core.Replication;

namespace Tidemark.Core.Topics;

/// <summary>What only the leader of a partition does: it gives each batch its place before it is written, finds what is a repetition, and watches what is to go.</summary>
/// <remarks>
/// Not thread-safe; time is an argument. It judges by what will be the state once all that it let through is applied: entries come to be in the order they were let through, or its leadership has ended and
/// with it all it knows. So every entry says what it comes to, and no refusal is answered before what it rests on is committed: it takes its place in the log too, without the messages.
/// </remarks>
internal sealed class TopicLeader : ILeaderRole
{
    private const int MostAtOnce = 1_000;
    private const long NotKnown = -2;   // No number is the next of it.

    private static readonly TimeSpan _shortestLook = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _longestLook = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan _retryPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _longestIdleCheck = TimeSpan.FromMinutes(1);

    private readonly TopicMachine _machine;
    private readonly IMessageLog _log;
    private readonly Queue<UnderWay> _underWay = new();
    private readonly Dictionary<Guid, (long Sequence, long Entry)> _producers = [];   // Of entries that are not applied yet, as the next three.
    private readonly Dictionary<Guid, long> _ids = [];
    private readonly HashSet<TopicCommand> _proposed = [];
    private readonly long _firstEnd;
    private long _end;
    private TopicSettings? _settings;
    private (long Entry, long End, TopicSettings? Settings) _before;   // What was let through last, and how it was before.
    private long _lookAt, _idleCheckAt, _retryAt;

    /// <param name="machine">The state, up to date.</param>
    /// <param name="log">What retention looks at.</param>
    /// <param name="now">The time.</param>
    internal TopicLeader(TopicMachine machine, IMessageLog log, DateTimeOffset now)
    {
        (_machine, _log, _end, _firstEnd, _settings) = (machine, log, machine.End, machine.End, machine.Settings);
        _lookAt = _idleCheckAt = now.UtcTicks;
    }

    /// <summary>The settings that the partition shall have; null where somebody else sees to that.</summary>
    internal Func<TopicSettings>? Wanted { get; init; }

    /// <inheritdoc/>
    public long NextDue
    {
        get
        {
            if (OtherSettings is not null) return _retryAt;
            long due = _machine.Settings is { RetentionMilliseconds: null, RetentionBytes: null } ? long.MaxValue : _lookAt;
            if (_machine.ProducerCount > 0) due = Math.Min(due, _idleCheckAt);
            return due == long.MaxValue ? due : Math.Max(due, _retryAt);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="MalformedDataException">It is no command.</exception>
    public void Admit(long offset, ref ushort kind, ref ReadOnlyMemory<byte> payload)
    {
        Forget();
        if ((TopicCommand)kind == TopicCommand.Configure)
        {
            var settings = TopicSettings.Read(payload.Span);
            (_before, _settings) = ((offset, _end, _settings), settings);
        }

        if ((TopicCommand)kind == TopicCommand.ForgetProducers) Forget(offset, payload.Span);
        if ((TopicCommand)kind != TopicCommand.Append) return;
        var reader = new MessagePackReader(payload.Span);
        BatchHead head = BatchCodec.ReadHead(ref reader);
        if (head.Count == 0) throw new MalformedDataException(reader.Consumed, "a batch has a message");
        _before = (offset, _end, _settings);
        long before = NotKnown;
        if (head.Producer is { } producer)
        {
            long last = LastOf(producer);
            if (last != head.Sequence - 1)
            {
                (kind, payload) = ((ushort)TopicCommand.Repeat, WriteRepeat(producer, head.Sequence));
                return;
            }

            before = last;
            _producers[producer] = (head.Sequence, offset);
        }

        List<Guid>? ids = null;
        head = head with { First = _end };
        if (head.ExpectedOffset is { } expected && expected != _end) head = head with { Count = 0 };
        else if (_settings is { DeduplicationIds: > 0 and int remembered }) ids = LeaveOutKnown(_end - remembered, ref head, ref payload, ref reader);
        if (head.Count == 0) payload = Without(head);
        else BatchCodec.Place(payload, head.First);
        _end += head.Count;
        if (head.Producer is not null || ids is not null) _underWay.Enqueue(new UnderWay(offset, head.Producer, before, ids));
    }

    /// <inheritdoc/>
    public void Withdraw(long offset)
    {
        if (_before.Entry != offset) return;
        (_end, _settings) = (_before.End, _before.Settings);
        for (int left = _underWay.Count; left > 0; left--)
        {
            UnderWay batch = _underWay.Dequeue();
            if (batch.Entry != offset) _underWay.Enqueue(batch);
            else Take(batch, isWithdrawn: true);
        }
    }

    /// <inheritdoc/>
    public void Tick(DateTimeOffset now, List<(ushort Kind, byte[] Payload)> proposals)
    {
        if (now.UtcTicks < _retryAt) return;
        if (OtherSettings is { } wanted) Configure(wanted, proposals);
        if (_machine.Settings is not { } settings) return;
        if (now.UtcTicks >= _lookAt && !_proposed.Contains(TopicCommand.Trim)) Look(settings, now, proposals);
        if (now.UtcTicks >= _idleCheckAt && !_proposed.Contains(TopicCommand.ForgetProducers)) EndProducers(settings, now, proposals);
    }

    /// <inheritdoc/>
    public void Ended(ushort kind, bool isApplied, DateTimeOffset now)
    {
        _proposed.Remove((TopicCommand)kind);
        if (!isApplied) _retryAt = now.UtcTicks + _retryPause.Ticks;
    }

    /// <summary>Settings that are wanted, and neither there nor under way.</summary>
    private TopicSettings? OtherSettings => Wanted?.Invoke() is { } wanted && wanted != _settings && !_proposed.Contains(TopicCommand.Configure) ? wanted : null;

    /// <summary>The number of a producer's last append, with those that are under way; <see cref="NotKnown"/> for one that is not known then.</summary>
    private long LastOf(Guid producer) => _producers.TryGetValue(producer, out (long Sequence, long Entry) last) ? last.Sequence : _machine.FindProducer(producer)?.Sequence ?? NotKnown;

    /// <summary>Who is forgotten by an entry that is under way is not known to those behind it: an append whose number nobody keeps might be there twice.</summary>
    private void Forget(long offset, ReadOnlySpan<byte> payload)
    {
        _before = (offset, _end, _settings);
        foreach ((Guid producer, HybridTimestamp? lastUsed) in ForgottenProducers.Read(payload))
        {
            bool isUsed = lastUsed is not null && (_producers.ContainsKey(producer) || _machine.FindProducer(producer)?.LastUsed != lastUsed);
            if (isUsed) continue;
            _underWay.Enqueue(new UnderWay(offset, producer, LastOf(producer), null));
            _producers[producer] = (NotKnown, offset);
        }
    }

    /// <summary>Leaves out the messages whose ids are remembered, which is from an offset on, or came twice.</summary>
    private List<Guid> LeaveOutKnown(long from, ref BatchHead head, ref ReadOnlyMemory<byte> payload, ref MessagePackReader reader)
    {
        if (Planted.Is(PlantedBug.IdsForgottenAtLeaderChange)) from = Math.Max(from, _firstEnd);
        var fresh = new List<Guid>(head.Count);
        var kept = new List<Range>(head.Count);
        long? firstKnown = null;
        for (int i = 0; i < head.Count; i++)
        {
            int begin = (int)reader.Consumed;
            Guid id = MessageCodec.ReadIdAlone(ref reader);
            long? known = _ids.TryGetValue(id, out long underWay) ? underWay : _machine.FindId(id);
            if (known is null || known < from)
            {
                _ids[id] = _end + fresh.Count;
                fresh.Add(id);
                kept.Add(begin..(int)reader.Consumed);
            }
            else if (i == 0)
            {
                firstKnown = known;
            }
        }

        int duplicates = head.Count - fresh.Count;
        head = head with { First = fresh.Count > 0 ? _end : firstKnown ?? _end, Duplicates = duplicates, Count = fresh.Count };
        if (duplicates > 0 && fresh.Count > 0) payload = Copy(head, payload.Span, kept);
        return fresh;
    }

    private static byte[] Copy(in BatchHead head, ReadOnlySpan<byte> batch, List<Range> messages)
    {
        var output = new ArrayBufferWriter<byte>(batch.Length);
        var writer = new MessagePackWriter(output);
        BatchCodec.WriteHead(ref writer, head);
        foreach (Range message in messages) writer.WriteRaw(batch[message]);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    private static byte[] Without(in BatchHead head)
    {
        var output = new ArrayBufferWriter<byte>(48);
        BatchCodec.Write(output, head, [], default);
        return output.WrittenSpan.ToArray();
    }

    private static byte[] WriteRepeat(Guid producer, long sequence)
    {
        var output = new ArrayBufferWriter<byte>(32);
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(2);
        CommandWriter.WriteId(ref writer, producer);
        writer.Write(sequence);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    /// <summary>What is applied by now, the state knows.</summary>
    private void Forget()
    {
        while (_underWay.TryPeek(out UnderWay batch) && batch.Entry <= _machine.Position.Offset) Take(_underWay.Dequeue(), isWithdrawn: false);
    }

    private void Take(in UnderWay batch, bool isWithdrawn)
    {
        foreach (Guid id in isWithdrawn && Planted.Is(PlantedBug.WithdrawnIdsKept) ? [] : batch.Ids ?? [])
        {
            bool isOver = _ids.TryGetValue(id, out long offset) && (isWithdrawn ? offset >= _end : offset < _machine.End);
            if (isOver) _ids.Remove(id);
        }

        if (batch.Producer is not { } producer || !_producers.TryGetValue(producer, out (long Sequence, long Entry) last) || last.Entry != batch.Entry) return;
        _producers.Remove(producer);
        if (!isWithdrawn) return;
        foreach (UnderWay earlier in _underWay)
        {
            if (earlier.Producer == producer && earlier.Entry < batch.Entry) _producers[producer] = (batch.Before, earlier.Entry);   // The last of them stays.
        }
    }

    private void Look(TopicSettings settings, DateTimeOffset now, List<(ushort, byte[])> proposals)
    {
        long interval = settings is { RetentionBytes: null, RetentionMilliseconds: { } age } ? age * TimeSpan.TicksPerMillisecond / 20 : 0;
        _lookAt = now.UtcTicks + Math.Clamp(interval, _shortestLook.Ticks, _longestLook.Ticks);
        if (Retention.Decide(_log, settings, _machine.Start, _machine.End, _machine.Released, now) is not { } cut) return;
        _proposed.Add(TopicCommand.Trim);
        proposals.Add(((ushort)TopicCommand.Trim, TopicCommands.Numbers([cut.Before, cut.Entry])));
    }

    private void Configure(TopicSettings wanted, List<(ushort, byte[])> proposals)
    {
        var output = new ArrayBufferWriter<byte>(32);
        wanted.Write(output);
        _proposed.Add(TopicCommand.Configure);
        proposals.Add(((ushort)TopicCommand.Configure, output.WrittenSpan.ToArray()));
    }

    private void EndProducers(TopicSettings settings, DateTimeOffset now, List<(ushort, byte[])> proposals)
    {
        var idle = TimeSpan.FromMilliseconds(settings.ProducerIdleMilliseconds);
        _idleCheckAt = now.UtcTicks + Math.Min(_longestIdleCheck.Ticks, idle.Ticks / 4);
        if (_machine.ProducerCount == 0 || now - DateTimeOffset.UnixEpoch < idle) return;
        List<(Guid Producer, HybridTimestamp LastUsed)> over = _machine.IdleSince(HybridTimestamp.FromDateTimeOffset(now - idle), MostAtOnce);
        if (over.Count == 0) return;
        var output = new ArrayBufferWriter<byte>();
        CommandWriter.WriteForget(output, over);
        _proposed.Add(TopicCommand.ForgetProducers);
        proposals.Add(((ushort)TopicCommand.ForgetProducers, output.WrittenSpan.ToArray()));
    }

    /// <summary>A batch that is not applied yet: its entry, who numbered it, the number of that producer's last before it, and the ids it brought. Or a producer that is forgotten.</summary>
    private readonly record struct UnderWay(long Entry, Guid? Producer, long Before, List<Guid>? Ids);
}

/// <summary>Commands that are a few numbers, or an id.</summary>
internal static class TopicCommands
{
    internal static byte[] Numbers(ReadOnlySpan<long> numbers)
    {
        var output = new ArrayBufferWriter<byte>(24);
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(numbers.Length);
        foreach (long number in numbers) writer.Write(number);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }
}

/// <summary>The producers that a command has a partition forget.</summary>
internal static class ForgottenProducers
{
    /// <summary>Reads them: each with the time since which it must not have been used, or with none, where it goes in any case.</summary>
    /// <exception cref="MalformedDataException">It is no such command.</exception>
    internal static List<(Guid Producer, HybridTimestamp? LastUsed)> Read(ReadOnlySpan<byte> payload)
    {
        var reader = new MessagePackReader(payload);
        var forgotten = new List<(Guid, HybridTimestamp?)>();
        for (int count = reader.ReadArrayHeader(); count > 0; count--)
        {
            CommandParts.ReadArrayOf(2, ref reader);
            forgotten.Add((CommandParts.ReadGuid(ref reader), reader.TryReadNil() ? null : new HybridTimestamp(reader.ReadUInt64())));
        }

        reader.ReadEnd();
        return forgotten;
    }
}
