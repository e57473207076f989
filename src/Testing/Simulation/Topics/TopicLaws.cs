using Tidemark.Core.Hashing;
using Tidemark.Core.MessagePack;
using Tidemark.Core.Topics;

namespace Tidemark.Testing.Simulation.Topics;

/// <summary>A message that was committed.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Checksum">Of its bytes.</param>
/// <param name="Entry">The entry it is in.</param>
/// <param name="Timestamp">That of the entry.</param>
internal readonly record struct CommittedMessage(Guid Id, uint Checksum, long Entry, HybridTimestamp Timestamp);

/// <summary>How a partition was when a program asked something: what had been acknowledged by then, an answer must know.</summary>
internal readonly record struct TopicMoment(long Start, long End);

/// <summary>Watches one partition over all committed entries: a list of messages and a few dictionaries that the real state, its answers and all that is read must agree with.</summary>
/// <remarks>Entries are judged when the first replica applies them. What an entry may do follows from those before it and from what the programs have sent, not from the machine.</remarks>
internal sealed class TopicLaws(SimWorld world, int number, TopicOptions options, Func<long> storedByConsumer)
{
    /// <summary>What more a record is on the disk than its payload, at most.</summary>
    private const int RecordRoom = 64;

    /// <summary>What a segment is on the disk beside its records, at most.</summary>
    private const int SegmentRoom = 8 * 1024;

    /// <summary>By how much the clock that judges ages and the one that stamps entries may differ: one is off by two seconds, the other drifts.</summary>
    private static readonly TimeSpan _clocksApart = TimeSpan.FromSeconds(4);

    private readonly List<CommittedMessage> _messages = [];
    private readonly List<long> _bytes = [];   // By entry: those of all entries before it.
    private readonly Dictionary<Guid, uint> _sent = [];
    private readonly HashSet<Guid> _once = [];
    private readonly HashSet<Guid> _never = [];
    private readonly Dictionary<Guid, long> _offsets = [];   // Of the latest with an id.
    private readonly Dictionary<Guid, (long Sequence, HybridTimestamp LastUsed)> _producers = [];
    private readonly Dictionary<(Guid Producer, long Sequence), long> _terms = [];
    private long _permitted;   // Before this offset somebody has asked for messages to go.
    private readonly HashSet<TopicSettings> _wanted = [TopicSettings.Of(options)];
    private TopicMoment _acknowledged;
    private TopicSettings? _settings;
    private TopicSettings? _before;   // Those before: a leader may have gone by them a moment ago.

    /// <summary>Which partition it is.</summary>
    internal int Number => number;

    /// <summary>What it was made with. What it keeps, and for how long, may be something else by now.</summary>
    internal TopicOptions Options => options;

    /// <summary>Called when less of the log is needed than before, with the first entry that is.</summary>
    internal Action<long>? LogStartMoved { get; init; }

    /// <summary>The offset that the next message gets.</summary>
    internal long End => _messages.Count;

    /// <summary>The first that is kept.</summary>
    internal long Start { get; private set; }

    /// <summary>A consumer has let go of all before.</summary>
    internal long Released { get; private set; }

    /// <summary>The first entry that is needed.</summary>
    internal long LogStart { get; private set; }

    /// <summary>What must be seen by who asks now.</summary>
    internal TopicMoment Moment => _acknowledged;

    /// <summary>A program sends messages.</summary>
    /// <param name="messages">They have ids.</param>
    /// <param name="isOnce">Whether they must not be there twice: a producer numbers them, or they are sent only once.</param>
    internal void Sent(IReadOnlyList<TopicMessage> messages, bool isOnce)
    {
        foreach (TopicMessage message in messages)
        {
            _sent[message.Id] = Crc32C.Compute(message.Payload.Span);
            if (isOnce) _once.Add(message.Id);
        }
    }

    /// <summary>A program was told that messages surely were not appended, and does not send them again.</summary>
    internal void Refused(IReadOnlyList<TopicMessage> messages)
    {
        foreach (TopicMessage message in messages)
        {
            SimWorld.Require(!_offsets.ContainsKey(message.Id), $"message {message.Id} was refused and is there");
            _never.Add(message.Id);
        }
    }

    /// <summary>A program asks for messages to go.</summary>
    internal void Permit(long before) => _permitted = Math.Max(_permitted, before);

    /// <summary>Somebody asks for other settings.</summary>
    internal void Wish(TopicOptions wanted) => _wanted.Add(TopicSettings.Of(wanted));

    /// <summary>An entry was committed, and the machine, which is the oracle's own, has applied it.</summary>
    internal void Applied(TopicMachine machine, in LogRecord record)
    {
        _bytes.Add((_bytes.Count > 0 ? _bytes[^1] : 0) + record.Payload.Length + RecordRoom);
        switch ((TopicCommand)record.Kind)
        {
            case TopicCommand.Configure: Configure(record); break;
            case TopicCommand.Append: Append(record); break;
            case TopicCommand.Trim: Trim(machine, record); break;
            case TopicCommand.Release: Release(record); break;
            case TopicCommand.RegisterProducer or TopicCommand.ForgetProducers: LookAtProducers(machine, record); break;
        }

        SimWorld.Require(
            machine.Start == Start && machine.End == End && machine.Released == Released,
            $"after entry {record.Offset} the state says {machine.Start} to {machine.End}, released {machine.Released}, and it is {Start} to {End}, released {Released}");
    }

    /// <summary>An entry that changes nothing was committed.</summary>
    internal void Passed() => _bytes.Add((_bytes.Count > 0 ? _bytes[^1] : 0) + RecordRoom);

    /// <summary>An append was answered.</summary>
    internal void Acknowledged(IReadOnlyList<TopicMessage> messages, long? expected, in AppendResult result)
    {
        Guid first = messages[0].Id;
        switch (result.Status)
        {
            case AppendStatus.Appended:
                SimWorld.Require(result.Count + result.Duplicates == messages.Count, $"of {messages.Count} messages {result.Count} were appended and {result.Duplicates} known");
                SimWorld.Require(expected is null || expected == result.Offset, $"message {first} was to be at {expected} only, and is at {result.Offset}");
                RequireThere(messages, result);
                _acknowledged = _acknowledged with { End = Math.Max(_acknowledged.End, result.Offset + result.Count) };
                break;
            case AppendStatus.Duplicate:
                SimWorld.Require(result.Offset < End && _messages[(int)result.Offset].Id == first, $"message {first} was said to be at {result.Offset} already, and is not");
                world.Count("append of known ids");
                break;
            default:
                SimWorld.Require(expected != result.Offset && result.Offset <= End, $"an append at {expected} was refused because the end is {result.Offset}");
                world.Count("offset conflict");
                break;
        }

        world.Trace(result.Offset);
    }

    /// <summary>A producer's append was answered with what it had come to before.</summary>
    internal void AnsweredAgain(Guid producer, long sequence, long term)
    {
        SimWorld.Require(_terms.TryGetValue((producer, sequence), out long first), $"append {sequence} of producer {producer} was answered as a repetition, and never happened");
        world.Count(first == term ? "producer answered again" : "producer answered again by a later leader");
    }

    /// <summary>Messages were let go on request.</summary>
    internal void Trimmed(long before)
    {
        SimWorld.Require(Start >= before, $"messages before {before} were said to be gone, and it begins at {Start}");
        _acknowledged = _acknowledged with { Start = Math.Max(_acknowledged.Start, before) };
    }

    /// <summary>Somebody was told where the partition begins and ends.</summary>
    internal void Described(in TopicMoment asked, long start, long end)
    {
        SimWorld.Require(start >= asked.Start && end >= asked.End, $"it was described as {start} to {end}, and was {asked.Start} to {asked.End} before");
        SimWorld.Require(start <= Start && end <= End, $"it was described as {start} to {end}, and is {Start} to {End}");
    }

    /// <summary>A page was read.</summary>
    /// <param name="asked">How it was when it was asked for; null where the reading need not know.</param>
    /// <param name="from">The first offset of the page; backwards, the one behind it.</param>
    /// <param name="isReverse">Whether it was read backwards.</param>
    /// <param name="page">The page.</param>
    internal void Read(TopicMoment? asked, long from, bool isReverse, TopicPage page)
    {
        if (asked is { } moment) Described(moment, page.Start, page.End);
        else Described(default, page.Start, page.End);
        bool isAtEnd = isReverse ? from <= page.Start : from >= page.End;
        SimWorld.Require(page.Messages.Count > 0 || isAtEnd, $"nothing was read from {from} on, and it goes from {page.Start} to {page.End}");
        long at = isReverse ? from - 1 : from;
        foreach (StoredMessage message in page.Messages)
        {
            SimWorld.Require(message.Offset == at, $"message {message.Offset} was read where {at} is next");
            SimWorld.Require(at >= page.Start && at < page.End, $"message {at} was read of {page.Start} to {page.End}");
            CommittedMessage known = _messages[(int)at];
            SimWorld.Require(
                known.Id == message.Id && known.Timestamp == message.Timestamp && known.Checksum == Crc32C.Compute(message.Payload.Span),
                $"message {at} was read as {message.Id} at {message.Timestamp}, and {known.Id} at {known.Timestamp} was committed");
            at += isReverse ? -1 : 1;
        }

        world.Trace(at);
        world.Count(isReverse ? "message read backwards" : "message read", page.Messages.Count);
    }

    /// <summary>Nothing has changed for long: it goes by what was asked for last.</summary>
    internal void CheckSettings(TopicOptions wanted) => SimWorld.Require(_settings == TopicSettings.Of(wanted), $"at the end it goes by {_settings}, and was asked for {wanted}");

    /// <summary>A reading was told that an offset is not there.</summary>
    internal void ToldOutOfRange(TopicMoment? asked, OffsetOutOfRangeException told)
    {
        if (asked is { } moment) Described(moment, told.Start, told.End);
        else Described(default, told.Start, told.End);
        SimWorld.Require(told.Offset < told.Start || told.Offset > told.End, $"offset {told.Offset} is said to be outside of {told.Start} to {told.End}");
    }

    /// <summary>The first message at or behind a time among those that a page says there are.</summary>
    internal long FirstAtTime(HybridTimestamp time, long start, long end)
    {
        long at = start;
        while (at < end && _messages[(int)at].Timestamp < time) at++;
        return at;
    }

    internal HybridTimestamp TimestampOf(long offset) => _messages[(int)offset].Timestamp;

    private void RequireThere(IReadOnlyList<TopicMessage> messages, in AppendResult result)
    {
        int at = 0;
        for (long offset = result.Offset; offset < result.Offset + result.Count; offset++)
        {
            SimWorld.Require(offset < End, $"message {messages[0].Id} was acknowledged at {result.Offset}, and only {End} were ever committed");
            CommittedMessage there = _messages[(int)offset];
            while (at < messages.Count && messages[at].Id != there.Id) at++;
            SimWorld.Require(at++ < messages.Count, $"at {offset} is message {there.Id}, and what was acknowledged there has others");
        }
    }

    private void Append(in LogRecord record)
    {
        var reader = new MessagePackReader(record.Payload.Span);
        BatchHead head = BatchCodec.ReadHead(ref reader);
        long end = End;
        if (head.ExpectedOffset is { } expected && head.Duplicates == 0)
            SimWorld.Require(head.Count > 0 == (expected == end), $"entry {record.Offset} was to be at {expected} only, the end was {end}, and it has {head.Count} messages");
        if (head.Producer is { } producer) Numbered(producer, head.Sequence, record);
        SimWorld.Require(head.Count == 0 || head.First == end, $"the messages of entry {record.Offset} begin at {head.First}, and the end is {end}");
        for (int i = 0; i < head.Count; i++)
        {
            StoredMessage message = MessageCodec.Read(ref reader, record.Payload, 0, end + i, record.Timestamp);
            uint checksum = Crc32C.Compute(message.Payload.Span);
            SimWorld.Require(_sent.TryGetValue(message.Id, out uint sent) && sent == checksum, $"message {message.Offset}, {message.Id}, is none that anybody sent");
            SimWorld.Require(!_never.Contains(message.Id), $"message {message.Id} was refused, and is there at {message.Offset}");
            if (_offsets.TryGetValue(message.Id, out long before))
                SimWorld.Require(!_once.Contains(message.Id) && before < end - options.DeduplicationIds, $"message {message.Id} is there at {before} and again at {message.Offset}");
            _offsets[message.Id] = message.Offset;
            _messages.Add(new CommittedMessage(message.Id, checksum, record.Offset, record.Timestamp));
        }

        if (head.Count > 0 && head.Duplicates > 0) world.Count("batch with known ids");
        if (head.Count > 0 && head.ExpectedOffset is not null) world.Count("append at an expected offset");
        world.Count("message", head.Count);
    }

    private void Numbered(Guid producer, long sequence, in LogRecord record)
    {
        bool isKnown = _producers.TryGetValue(producer, out (long Sequence, HybridTimestamp LastUsed) last);
        SimWorld.Require(isKnown && sequence == last.Sequence + 1, $"entry {record.Offset} is append {sequence} of producer {producer}, whose last was {(isKnown ? last.Sequence : -1)}");
        _producers[producer] = (sequence, record.Timestamp);
        _terms[(producer, sequence)] = record.Term;
    }

    private void LookAtProducers(TopicMachine machine, in LogRecord record)
    {
        if ((TopicCommand)record.Kind == TopicCommand.RegisterProducer)
        {
            var reader = new MessagePackReader(record.Payload.Span);
            reader.ReadArrayHeader();
            var producer = new Guid(reader.ReadBytes(), bigEndian: true);
            if (machine.FindProducer(producer) is not null) _producers.TryAdd(producer, (0, record.Timestamp));
            return;
        }

        foreach ((Guid producer, (_, HybridTimestamp lastUsed)) in _producers.ToArray())
        {
            if (machine.FindProducer(producer) is not null) continue;
            SimWorld.Require(AgeOf(lastUsed) >= options.ProducerIdleTimeout - _clocksApart, $"producer {producer} was forgotten {AgeOf(lastUsed)} after its last append");
            _producers.Remove(producer);
            world.Count("producer forgotten");
        }
    }

    private void Configure(in LogRecord record)
    {
        var settings = TopicSettings.Read(record.Payload.Span);
        SimWorld.Require(_wanted.Contains(settings), $"entry {record.Offset} brings {settings}, which nobody asked for");
        if (_settings is not null && settings != _settings) world.Count("settings changed");
        (_before, _settings) = (_settings, settings);
    }

    private void Release(in LogRecord record)
    {
        var reader = new MessagePackReader(record.Payload.Span);
        reader.ReadArrayHeader();
        long before = reader.ReadInt64();
        SimWorld.Require(before <= storedByConsumer(), $"entry {record.Offset} releases what is before {before}, and the consumer has stored {storedByConsumer()}");
        Released = Math.Clamp(before, Released, End);
    }

    private void Trim(TopicMachine machine, in LogRecord record)
    {
        var reader = new MessagePackReader(record.Payload.Span);
        reader.ReadArrayHeader();
        (long before, long entry) = (reader.ReadInt64(), reader.ReadInt64());
        if (before > End || entry > record.Offset || before <= Start) return;
        bool isAsked = before <= _permitted;
        if (!isAsked) RequireRetention(before, entry, record.Offset);
        _before = null;   // One trim is under way at a time.
        long needed = before < End ? _messages[(int)before].Entry : record.Offset;
        SimWorld.Require(entry <= needed, $"entry {record.Offset} keeps entries from {entry} on, and message {before}, which is kept, is in {needed}");
        world.Count(!isAsked ? "retention" : before == End ? "purge" : "trim");
        (Start, LogStart) = (before, Math.Max(LogStart, entry));
        SimWorld.Require(machine.LogStart == LogStart, $"the log is said to begin at {machine.LogStart}, not {LogStart}");
        LogStartMoved?.Invoke(LogStart);
    }

    /// <summary>Nobody asked for it: the messages are too old or too much, and nothing that goes is held.</summary>
    private void RequireRetention(long before, long entry, long trim)
    {
        TimeSpan age = AgeOf(_messages[(int)before - 1].Timestamp);
        long kept = _bytes[(int)trim] - (entry > 0 ? _bytes[(int)entry - 1] : 0) + SegmentRoom;
        SimWorld.Require(
            IsDue(_settings!) || (_before is not null && IsDue(_before)),
            $"messages before {before} go, the last of them {age} old, {kept} bytes are kept, and the consumer has let go of those before {Released}: by {_settings}");

        bool IsDue(TopicSettings settings)
        {
            bool isOld = settings.RetentionMilliseconds is { } longest && age >= TimeSpan.FromMilliseconds(longest) - _clocksApart;
            bool isMuch = settings.RetentionBytes is { } bytes && kept >= bytes;
            return (isOld || isMuch) && (!settings.IsHeld || before <= Released);
        }
    }

    private TimeSpan AgeOf(HybridTimestamp timestamp) => SimWorld.Epoch + world.Now - timestamp.Physical;
}
