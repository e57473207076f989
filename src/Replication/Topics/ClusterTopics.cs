using System.Collections.Immutable;

using Tidemark.Core.Replication;
using Tidemark.Replication.Cluster;
using Tidemark.Replication.Wire;
using Tidemark.Storage.Catalog;

namespace Tidemark.Replication.Topics;

/// <summary>A topic of a cluster as it is known in this process.</summary>
/// <param name="Entry">What the cluster's status says of it.</param>
/// <param name="Partitions">Its partitions.</param>
/// <param name="Face">What users see of it.</param>
internal sealed record KnownTopic<TPartition>(ClusterTopic Entry, IReadOnlyList<TPartition> Partitions, PartitionedTopic Face)
    where TPartition : TopicPartition;

/// <summary>The topics of a cluster as this process knows them. Whoever hears of others says so with <see cref="Follow"/>.</summary>
/// <param name="time">Clock.</param>
/// <param name="patience">How long a change may take to be known here.</param>
/// <param name="newId">An id that nobody has.</param>
/// <param name="forgetConsumers">Deletes what consumers of a topic have stored.</param>
internal abstract class ClusterTopics<TPartition>(TimeProvider time, TimeSpan patience, Func<Guid> newId, Func<Topic, CancellationToken, ValueTask> forgetConsumers) : TopicCollection
    where TPartition : TopicPartition
{
    private readonly Lock _gate = new();
    private volatile ImmutableSortedDictionary<string, KnownTopic<TPartition>> _known = ImmutableSortedDictionary.Create<string, KnownTopic<TPartition>>(StringComparer.Ordinal);
    private readonly ChangeSignal _followed = new();
    private long _changes = -1;

    public override IReadOnlyList<string> Names => [.. _known.Keys];

    /// <summary>How often topics had changed when they were heard of last; -1 where they never were.</summary>
    internal long Changes => Volatile.Read(ref _changes);

    /// <summary>All of them, as the cluster's status has them.</summary>
    protected IReadOnlyList<ClusterTopic> Entries => [.. _known.Values.Select(topic => topic.Entry)];

    public override Topic? Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _known.GetValueOrDefault(name)?.Face;
    }

    public override async ValueTask<Topic> CreateAsync(string name, TopicOptions? options = null, CancellationToken cancellationToken = default)
    {
        CatalogName.Require(name, "topic");
        options ??= new TopicOptions();
        options.Validate();
        var create = new CreateTopic(name, newId(), options);
        await ChangeAsync(create, cancellationToken).ConfigureAwait(false);
        return await AwaitAsync(() => Find(name, create.Id)?.Face, cancellationToken).ConfigureAwait(false);
    }

    public override async ValueTask<Topic> GetOrCreateAsync(string name, TopicOptions? options = null, CancellationToken cancellationToken = default)
    {
        if (Find(name) is { } known) return known;
        try
        {
            return await CreateAsync(name, options, cancellationToken).ConfigureAwait(false);
        }
        catch (ArgumentException) when (CatalogName.IsValid(name))
        {
            await LookAsync(cancellationToken).ConfigureAwait(false);
            if (Find(name) is not { } found) throw;   // It was refused for another reason.
            return found;
        }
    }

    public override async ValueTask<Topic> ChangeAsync(string name, TopicOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        long before = Changes;
        await ChangeAsync(new ChangeTopic(name, options), cancellationToken).ConfigureAwait(false);
        return await AwaitAsync(() => _known.GetValueOrDefault(name) is { } topic && (topic.Entry.Options == options || Changes > before) ? topic.Face : null, cancellationToken).ConfigureAwait(false);
    }

    public override async ValueTask<bool> DeleteAsync(string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!_known.ContainsKey(name)) await LookAsync(cancellationToken).ConfigureAwait(false);
        if (!_known.TryGetValue(name, out KnownTopic<TPartition>? topic)) return false;
        await ChangeAsync(new DeleteTopic(name, topic.Entry.Id), cancellationToken).ConfigureAwait(false);
        await AwaitAsync(() => Find(name, topic.Entry.Id) is null ? topic : null, cancellationToken).ConfigureAwait(false);
        await forgetConsumers(topic.Face, cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>These are the topics. What was heard before, and comes late, is passed over.</summary>
    internal void Follow(long changes, IEnumerable<ClusterTopic> topics)
    {
        lock (_gate)
        {
            if (changes <= _changes) return;
            var known = _known.ToBuilder();
            var entries = topics.ToDictionary(topic => topic.Name, StringComparer.Ordinal);
            foreach (KnownTopic<TPartition> gone in _known.Values.Where(topic => entries.GetValueOrDefault(topic.Entry.Name)?.Id != topic.Entry.Id))
            {
                known.Remove(gone.Entry.Name);
                Close(gone);
            }

            foreach (ClusterTopic entry in entries.Values) known[entry.Name] = Renew(entry, known.GetValueOrDefault(entry.Name));
            _known = known.ToImmutable();
            Volatile.Write(ref _changes, changes);
        }

        _followed.Raise();
    }

    /// <summary>No partition is written to or read any more.</summary>
    internal void Close()
    {
        foreach (TPartition partition in _known.Values.SelectMany(topic => topic.Partitions)) Close(partition);
    }

    /// <summary>Has the cluster change its topics.</summary>
    /// <exception cref="ArgumentException">It cannot be as it is wanted.</exception>
    protected abstract Task ChangeAsync(TopicChange change, CancellationToken cancellationToken);

    /// <summary>Hears of the topics there are now, where that takes asking.</summary>
    protected abstract Task LookAsync(CancellationToken cancellationToken);

    /// <summary>A partition that this process has not known.</summary>
    protected abstract TPartition Open(ClusterPartition place);

    /// <summary>It is no more, or nobody is to use it any more.</summary>
    protected abstract void Close(TPartition partition);

    private KnownTopic<TPartition>? Find(string name, Guid id) => _known.GetValueOrDefault(name) is { } topic && topic.Entry.Id == id ? topic : null;

    private KnownTopic<TPartition> Renew(ClusterTopic entry, KnownTopic<TPartition>? before)
    {
        if (before is not null && before.Entry.Options == entry.Options) return before;
        var partitions = new List<TPartition>(before?.Partitions ?? []);
        for (int number = partitions.Count; number < entry.Shards.Count; number++) partitions.Add(Open(new ClusterPartition(entry, number)));
        var view = new TopicView(entry.Options, partitions);
        if (before is null) return new KnownTopic<TPartition>(entry, partitions, new PartitionedTopic(entry.Name, entry.Shards[0], view, time, newId));
        before.Face.Change(view);
        return before with { Entry = entry, Partitions = partitions };
    }

    private void Close(KnownTopic<TPartition> topic)
    {
        topic.Face.Close();
        foreach (TPartition partition in topic.Partitions) Close(partition);
    }

    private async Task<T> AwaitAsync<T>(Func<T?> find, CancellationToken cancellationToken)
        where T : class
    {
        for (long began = time.GetTimestamp(); ;)
        {
            Task followed = _followed.Next;
            if (find() is { } found) return found;
            TimeSpan left = patience - time.GetElapsedTime(began);
            if (left <= TimeSpan.Zero) throw new ShardUnavailableException(DescribeRequest.NoShard, "The topics were changed, and that is not known here yet.", ShardStatus.Nobody);
            await Task.WhenAny(followed, Task.Delay(left, time, cancellationToken)).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }
}
