using System.Runtime.CompilerServices;

namespace Tidemark.Replication.Topics;

/// <summary>A topic over its partitions, wherever they are kept.</summary>
internal sealed class PartitionedTopic : Topic
{
    private readonly MessageIds _ids;
    private readonly Func<Guid> _newId;
    private volatile TopicView _view;
    private uint _turn;

    /// <param name="name">Its name.</param>
    /// <param name="number">What no other topic has.</param>
    /// <param name="view">What it is now.</param>
    /// <param name="time">For the ids of messages.</param>
    /// <param name="newId">An id that nobody has.</param>
    internal PartitionedTopic(string name, long number, TopicView view, TimeProvider time, Func<Guid> newId)
    {
        (Name, Number) = (name, number);
        _view = view;
        _newId = newId;
        _ids = new MessageIds(time, newId);
    }

    public override string Name { get; }

    /// <summary>The shard of its first partition: no other ever gets it.</summary>
    internal override long Number { get; }

    public override TopicOptions Options => _view.Options;

    /// <summary>What it is now.</summary>
    /// <exception cref="ObjectDisposedException">It was closed.</exception>
    internal TopicView View => _view is { IsClosed: false } view ? view : throw new ObjectDisposedException(nameof(Topic), $"The topic '{Name}' was deleted.");

    /// <summary>It has other settings, or more partitions, from now on.</summary>
    internal void Change(TopicView view) => _view = view;

    /// <summary>Nothing begins from now on. What is under way ends when the partitions are closed.</summary>
    internal void Close() => _view = _view with { IsClosed = true };

    public override ValueTask<AppendResult> AppendAsync(TopicMessage message, AppendOptions? options = null, CancellationToken cancellationToken = default) =>
        AppendAsync([message], options, cancellationToken);

    public override ValueTask<AppendResult> AppendAsync(IReadOnlyList<TopicMessage> messages, AppendOptions? options = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        TopicPartition partition = Prepare(ref messages, options ??= AppendOptions.None);
        return partition.AppendAsync(messages, null, options.ExpectedOffset, cancellationToken);
    }

    public override TopicProducer CreateProducer() => new PartitionedProducer(this, _newId());

    public override ValueTask<TopicPage> ReadAsync(int partition, TopicPosition from, TopicReadOptions? options = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return View[partition].ReadAsync(from, Checked(options), cancellationToken);
    }

    public override IAsyncEnumerable<StoredMessage> TailAsync(int partition, TopicPosition from, TopicReadOptions? options = null, CancellationToken cancellationToken = default)
    {
        options = Checked(options);
        if (options.Reverse) throw new ArgumentException("There is no way backwards that waits for more.", nameof(options));
        _ = View[partition];   // What is asked wrongly is said now, not when the first message is wanted.
        return FollowAsync(partition, from, options, cancellationToken);
    }

    public override ValueTask<PartitionInfo> DescribeAsync(int partition, ReadLevel level = default, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return View[partition].DescribeAsync(level, cancellationToken);
    }

    public override ValueTask TrimAsync(int partition, long before, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ArgumentOutOfRangeException.ThrowIfNegative(before);
        return View[partition].TrimAsync(before, cancellationToken);
    }

    public override async ValueTask PurgeAsync(CancellationToken cancellationToken = default)
    {
        IReadOnlyList<TopicPartition> partitions = View.Partitions;
        PartitionInfo[] ends = await Task.WhenAll(partitions.Select(partition => partition.DescribeAsync(ReadLevel.Linearizable, cancellationToken).AsTask())).ConfigureAwait(false);
        await Task.WhenAll(partitions.Select(partition => partition.TrimAsync(ends[partition.Number].End, cancellationToken).AsTask())).ConfigureAwait(false);
    }

    internal override ValueTask ReleaseAsync(int partition, long before, CancellationToken cancellationToken) => View[partition].ReleaseAsync(before, cancellationToken);

    /// <summary>Checks a batch, finds its partition, and gives ids to messages that have none.</summary>
    internal TopicPartition Prepare(ref IReadOnlyList<TopicMessage> messages, AppendOptions options)
    {
        ArgumentNullException.ThrowIfNull(messages);
        TopicView view = View;
        BatchRules.Check(messages, view.Options);
        TopicPartition? partition = view.Route(messages, options);
        messages = _ids.Complete(messages);
        return partition ?? view.Partitions[(int)((Interlocked.Increment(ref _turn) - 1) % (uint)view.Partitions.Count)];
    }

    private static TopicReadOptions Checked(TopicReadOptions? options)
    {
        options ??= TopicReadOptions.Default;
        options.Validate();
        return options;
    }

    private async IAsyncEnumerable<StoredMessage> FollowAsync(int partition, TopicPosition from, TopicReadOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            TopicPartition source = View[partition];
            TopicPage page = await source.ReadAsync(from, options, cancellationToken).ConfigureAwait(false);
            foreach (StoredMessage message in page.Messages) yield return message;
            from = TopicPosition.At(page.Next);
            if (page.Next >= page.End) await source.WaitAsync(page.Next, cancellationToken).ConfigureAwait(false);
        }
    }
}
