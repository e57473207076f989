namespace Tidemark.Tests.Topics.Model;

/// <summary>A message as the model keeps it.</summary>
internal sealed record ModelMessage(long Offset, string Text, Guid Id, HybridTimestamp Timestamp);

/// <summary>What a partition should hold, in the plainest way: a list that begins somewhere, and the last ids.</summary>
internal sealed class PartitionModel(int number, int remembered)
{
    private readonly List<ModelMessage> _messages = [];
    private readonly List<(Guid Id, long Offset)> _ids = [];

    internal int Number => number;

    internal long Start { get; private set; }

    internal long End { get; private set; }

    internal IReadOnlyList<ModelMessage> Messages => _messages;

    /// <summary>Appends what the partition said it appended, and returns what it should have said.</summary>
    internal AppendResult Append(IReadOnlyList<TopicMessage> messages, long? expected, HybridTimestamp timestamp)
    {
        if (expected is { } wanted && wanted != End) return new AppendResult(AppendStatus.OffsetConflict, number, End, 0, 0, timestamp);
        var fresh = new List<TopicMessage>();
        foreach (TopicMessage message in messages)
        {
            bool isKnown = remembered > 0 && (_ids.Any(known => known.Id == message.Id) || fresh.Any(other => other.Id == message.Id));
            if (!isKnown) fresh.Add(message);
        }

        int duplicates = messages.Count - fresh.Count;
        if (fresh.Count == 0) return new AppendResult(AppendStatus.Duplicate, number, _ids.Last(known => known.Id == messages[0].Id).Offset, 0, duplicates, timestamp);
        long first = End;
        foreach (TopicMessage message in fresh)
        {
            _ids.Add((message.Id, End));
            _messages.Add(new ModelMessage(End++, System.Text.Encoding.UTF8.GetString(message.Payload.Span), message.Id, timestamp));
        }

        _ids.RemoveRange(0, Math.Max(0, _ids.Count - remembered));
        return new AppendResult(AppendStatus.Appended, number, first, fresh.Count, duplicates, timestamp);
    }

    internal void Trim(long before)
    {
        if (before <= Start) return;
        Start = before;
        _messages.RemoveAll(message => message.Offset < before);
    }

    /// <summary>The messages of a page, and where to read on.</summary>
    internal (string[] Texts, long Next) Read(long from, bool isReverse, int most)
    {
        IEnumerable<ModelMessage> found = isReverse ? _messages.Where(message => message.Offset < from).Reverse() : _messages.Where(message => message.Offset >= from);
        ModelMessage[] page = [.. found.Take(most)];
        long next = page.Length == 0 ? from : isReverse ? page[^1].Offset : page[^1].Offset + 1;
        return ([.. page.Select(message => $"{message.Offset} {message.Text} {message.Id}")], next);
    }

    internal long FirstAt(HybridTimestamp time) => _messages.FirstOrDefault(message => message.Timestamp.Value >= time.Value)?.Offset ?? End;
}
