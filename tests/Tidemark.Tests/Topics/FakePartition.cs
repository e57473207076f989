using Tidemark.Replication.Topics;

namespace Tidemark.Tests.Topics;

/// <summary>A partition that is a list, and whose answers get lost when a test wants it.</summary>
internal sealed class FakePartition(int number) : TopicPartition
{
    private readonly List<StoredMessage> _messages = [];
    private readonly Dictionary<Guid, (long Sequence, AppendResult Result)> _producers = [];
    private TaskCompletionSource _changed = new();
    private long _start;

    /// <summary>What happens to the next calls, the first first; then all goes well.</summary>
    internal Queue<Weather> Ahead { get; } = new();

    /// <summary>Awaited by each append before it begins.</summary>
    internal Task Gate { get; set; } = Task.CompletedTask;

    internal List<string> Calls { get; } = [];

    internal bool IsClosed { get; private set; }

    internal long End => _start + _messages.Count;

    internal IReadOnlyList<StoredMessage> Messages => _messages;

    internal override int Number => number;

    internal void Close()
    {
        IsClosed = true;
        _changed.TrySetResult();
    }

    internal void Forget(Guid producer) => _producers.Remove(producer);

    internal override async ValueTask<AppendResult> AppendAsync(IReadOnlyList<TopicMessage> messages, ProducerTicket? ticket, long? expectedOffset, CancellationToken cancellationToken)
    {
        await Gate;
        Calls.Add($"append {ticket?.Sequence}");
        return Through(() =>
        {
            if (ticket is { } numbered)
            {
                if (!_producers.TryGetValue(numbered.Producer, out (long Sequence, AppendResult Result) last)) throw new WriteRefusedException(StoreStatus.ClientNotFound, "who is that?");
                if (numbered.Sequence == last.Sequence) return last.Result;
                if (numbered.Sequence != last.Sequence + 1) throw new WriteRefusedException(StoreStatus.SequenceGap, "that is not the next");
            }

            bool isExpected = expectedOffset is null || expectedOffset == End;
            var result = new AppendResult(isExpected ? AppendStatus.Appended : AppendStatus.OffsetConflict, number, End, isExpected ? messages.Count : 0, 0, default);
            foreach (TopicMessage message in isExpected ? messages : [])
            {
                Assert.NotEqual(Guid.Empty, message.Id);
                _messages.Add(new StoredMessage(number, End, default, message.Id, message.Key, default, default, message.Payload));
            }

            if (ticket is { } done) _producers[done.Producer] = (done.Sequence, result);
            Interlocked.Exchange(ref _changed, new TaskCompletionSource()).TrySetResult();
            return result;
        });
    }

    internal override ValueTask RegisterAsync(Guid producer, CancellationToken cancellationToken)
    {
        Calls.Add("register");
        Through(() => _producers.TryAdd(producer, default));
        return default;
    }

    internal override ValueTask ForgetAsync(Guid producer, CancellationToken cancellationToken)
    {
        Calls.Add("forget");
        Through(() => _producers.Remove(producer));
        return default;
    }

    internal override ValueTask<TopicPage> ReadAsync(TopicPosition from, TopicReadOptions options, CancellationToken cancellationToken)
    {
        Calls.Add("read");
        ObjectDisposedException.ThrowIf(IsClosed, typeof(Topic));
        long at = from.Kind switch
        {
            TopicPositionKind.First => _start,
            TopicPositionKind.End => End,
            TopicPositionKind.Last => Math.Max(_start, End - from.Number),
            _ => from.Number,
        };
        if (at < _start || at > End) at = options.OutOfRange == OutOfRangePolicy.First ? _start : throw new OffsetOutOfRangeException(at, _start, End);
        StoredMessage[] page = [.. _messages.Skip((int)(at - _start)).Take(options.MaxMessages)];
        return new ValueTask<TopicPage>(new TopicPage(page, at + page.Length, _start, End));
    }

    internal override async ValueTask WaitAsync(long offset, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed = _changed.Task;
            ObjectDisposedException.ThrowIf(IsClosed, typeof(Topic));
            if (End > offset) return;
            await changed.WaitAsync(cancellationToken);
        }
    }

    internal override ValueTask<PartitionInfo> DescribeAsync(ReadLevel level, CancellationToken cancellationToken) => new(new PartitionInfo(number, _start, End, default));

    internal override ValueTask TrimAsync(long before, CancellationToken cancellationToken)
    {
        if (before > End) throw new OffsetOutOfRangeException(before, _start, End);
        _messages.RemoveRange(0, (int)(before - _start));
        _start = before;
        return default;
    }

    internal override ValueTask ReleaseAsync(long before, CancellationToken cancellationToken) => default;

    private T Through<T>(Func<T> work)
    {
        Weather weather = Ahead.Count > 0 ? Ahead.Dequeue() : Weather.Fine;
        if (weather == Weather.Refused) throw new OverloadedException("too much");
        if (weather == Weather.Lost) throw new OutcomeUnknownException("it did not arrive");
        T answer = work();
        return weather == Weather.AnswerLost ? throw new OutcomeUnknownException("its answer did not arrive") : answer;
    }
}

/// <summary>What becomes of a call.</summary>
internal enum Weather
{
    Fine,

    /// <summary>It surely does not happen.</summary>
    Refused,

    /// <summary>It does not happen, and nobody knows.</summary>
    Lost,

    /// <summary>It happens, and nobody knows.</summary>
    AnswerLost,
}
