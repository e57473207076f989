using System.Collections.Concurrent;

namespace Tidemark.Replication.Topics;

/// <summary>A producer of a topic: a line of numbered appends for each partition.</summary>
internal sealed class PartitionedProducer(PartitionedTopic topic, Guid id) : TopicProducer
{
    private readonly ConcurrentDictionary<TopicPartition, ProducerLine> _lines = new();
    private volatile bool _isDisposed;

    public override Guid Id => id;

    public override ValueTask<AppendResult> AppendAsync(TopicMessage message, AppendOptions? options = null, CancellationToken cancellationToken = default) =>
        AppendAsync([message], options, cancellationToken);

    public override ValueTask<AppendResult> AppendAsync(IReadOnlyList<TopicMessage> messages, AppendOptions? options = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_isDisposed, typeof(TopicProducer));
        TopicPartition partition = topic.Prepare(ref messages, options ??= AppendOptions.None);
        ProducerLine line = _lines.GetOrAdd(partition, static (partition, id) => new ProducerLine(id, partition), id);
        return line.AppendAsync(new ProducerBatch(messages, options.ExpectedOffset), cancellationToken);
    }

    public override async ValueTask DisposeAsync()
    {
        _isDisposed = true;
        foreach (ProducerLine line in _lines.Values) await line.DisposeAsync().ConfigureAwait(false);
    }
}
