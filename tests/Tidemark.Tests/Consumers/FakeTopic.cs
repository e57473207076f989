using System.Runtime.CompilerServices;

namespace Tidemark.Tests.Consumers;

/// <summary>A topic that is a list for each partition: what consumers see of one, and nothing else.</summary>
internal sealed class FakeTopic(string name, int partitions, TimeProvider? time = null) : Topic
{
    private readonly Lock _gate = new();
    private readonly List<List<StoredMessage>> _partitions = [.. Enumerable.Range(0, partitions).Select(_ => new List<StoredMessage>())];
    private readonly Dictionary<int, long> _released = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TopicOptions _options = new() { Partitions = partitions };
    private long _start;
    private int _next;

    public override string Name => name;

    public override TopicOptions Options => _options;

    internal string? RetentionConsumer
    {
        set => _options = _options with { RetentionConsumer = value };
    }

    internal IReadOnlyDictionary<int, long> Released => _released;

    internal void Grow(int count)
    {
        lock (_gate)
        {
            while (_partitions.Count < count) _partitions.Add([]);
            _options = _options with { Partitions = count };
        }
    }

    /// <summary>What is before an offset, of all partitions, is kept no more.</summary>
    internal void Forget(long before)
    {
        lock (_gate) _start = before;
    }

    public override ValueTask<AppendResult> AppendAsync(IReadOnlyList<TopicMessage> messages, AppendOptions? options = null, CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            int partition = options?.Partition ?? (_next++ % _partitions.Count);
            List<StoredMessage> log = _partitions[partition];
            long first = log.Count;
            var now = HybridTimestamp.FromDateTimeOffset((time ?? TimeProvider.System).GetUtcNow());
            foreach (TopicMessage message in messages) log.Add(Stored(message, partition, log.Count, now));
            TaskCompletionSource changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            changed.SetResult();
            return new(new AppendResult(AppendStatus.Appended, partition, first, messages.Count, 0, now));
        }
    }

    public override ValueTask<AppendResult> AppendAsync(TopicMessage message, AppendOptions? options = null, CancellationToken cancellationToken = default) =>
        AppendAsync([message], options, cancellationToken);

    public override TopicProducer CreateProducer() => throw new NotSupportedException();

    public override ValueTask<TopicPage> ReadAsync(int partition, TopicPosition from, TopicReadOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new TopicReadOptions();
        lock (_gate)
        {
            List<StoredMessage> log = _partitions[partition];
            long next = from.Kind switch
            {
                TopicPositionKind.First => _start,
                TopicPositionKind.End => log.Count,
                TopicPositionKind.Last => Math.Max(_start, log.Count - from.Number),
                TopicPositionKind.Time => log.FindIndex(message => (long)message.Timestamp.Value >= from.Number) is >= 0 and int found ? found : log.Count,
                _ => from.Number,
            };
            if (next < _start || next > log.Count)
            {
                if (options.OutOfRange == OutOfRangePolicy.Throw) throw new OffsetOutOfRangeException(next, _start, log.Count);
                next = options.OutOfRange == OutOfRangePolicy.First ? _start : log.Count;
            }

            List<StoredMessage> page = [.. log.Skip((int)next).Take(options.MaxMessages)];
            return new(new TopicPage(page, next + page.Count, _start, log.Count));
        }
    }

    public override async IAsyncEnumerable<StoredMessage> TailAsync(
        int partition, TopicPosition from, TopicReadOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Task changed;
            lock (_gate) changed = _changed.Task;
            TopicPage page = await ReadAsync(partition, from, options, cancellationToken);
            foreach (StoredMessage message in page.Messages) yield return message;
            from = TopicPosition.At(page.Next);
            if (page.Messages.Count == 0) await changed.WaitAsync(cancellationToken);
        }
    }

    public override ValueTask<PartitionInfo> DescribeAsync(int partition, ReadLevel level = default, CancellationToken cancellationToken = default)
    {
        lock (_gate) return new(new PartitionInfo(partition, _start, _partitions[partition].Count, HybridTimestamp.MinValue));
    }

    public override ValueTask TrimAsync(int partition, long before, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public override ValueTask PurgeAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();

    internal override ValueTask ReleaseAsync(int partition, long before, CancellationToken cancellationToken)
    {
        lock (_gate) _released[partition] = before;
        return ValueTask.CompletedTask;
    }

    /// <summary>The message as a log gives it back.</summary>
    private static StoredMessage Stored(TopicMessage message, int partition, long offset, HybridTimestamp now)
    {
        var output = new System.Buffers.ArrayBufferWriter<byte>();
        var writer = new Core.MessagePack.MessagePackWriter(output);
        Core.Topics.MessageCodec.Write(ref writer, message, now.Physical);
        writer.Flush();
        var reader = new Core.MessagePack.MessagePackReader(output.WrittenSpan);
        return Core.Topics.MessageCodec.Read(ref reader, output.WrittenMemory, partition, offset, now);
    }
}
