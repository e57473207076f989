using System.Collections.Immutable;

using Tidemark.Replication.KeyValue;
using Tidemark.Storage.Catalog;

namespace Tidemark.Replication.Topics;

/// <summary>A topic that is open in this process.</summary>
/// <param name="Entry">What the catalog says of it.</param>
/// <param name="Partitions">Its partitions.</param>
/// <param name="Face">What users see of it.</param>
internal sealed record LocalTopic(CatalogTopic Entry, IReadOnlyList<LocalPartition> Partitions, PartitionedTopic Face)
{
    internal IEnumerable<PartitionHealth> GetHealth() => Partitions.Select(partition => new PartitionHealth(
        Entry.Name, partition.Info, partition.Host.ShardId, partition.Host.Failure?.Message, partition.Host.LogStart, partition.Host.PendingBytes));
}

/// <summary>The topics of a store in this process.</summary>
/// <param name="catalog">What names them.</param>
/// <param name="runtime">What their partitions run on.</param>
/// <param name="forgetConsumers">Deletes what consumers of a topic have stored.</param>
internal sealed class LocalTopics(OpenCatalog catalog, StoreRuntime runtime, Func<Topic, ValueTask> forgetConsumers) : TopicCollection
{
    private volatile ImmutableSortedDictionary<string, LocalTopic> _open = ImmutableSortedDictionary.Create<string, LocalTopic>(StringComparer.Ordinal);

    public override IReadOnlyList<string> Names => [.. _open.Keys];

    /// <summary>All of them, by name.</summary>
    internal IEnumerable<LocalTopic> All => _open.Values;

    public override Topic? Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _open.GetValueOrDefault(name)?.Face;
    }

    public override ValueTask<Topic> CreateAsync(string name, TopicOptions? options = null, CancellationToken cancellationToken = default)
    {
        options = Checked(name, options);
        return catalog.ChangeAsync(() => Find(name) is null ? CreateAsync(name, options) : throw new ArgumentException($"There is a topic '{name}' already.", nameof(name)), cancellationToken);
    }

    public override ValueTask<Topic> GetOrCreateAsync(string name, TopicOptions? options = null, CancellationToken cancellationToken = default)
    {
        options = Checked(name, options);
        return Find(name) is { } found
            ? new ValueTask<Topic>(found)
            : catalog.ChangeAsync(() => Find(name) is { } made ? new ValueTask<Topic>(made) : CreateAsync(name, options), cancellationToken);
    }

    public override ValueTask<Topic> ChangeAsync(string name, TopicOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        ArgumentNullException.ThrowIfNull(name);
        return catalog.ChangeAsync(() => _open.TryGetValue(name, out LocalTopic? topic) ? ChangeAsync(topic, options) : throw new ArgumentException($"There is no topic '{name}'.", nameof(name)), cancellationToken);
    }

    public override ValueTask<bool> DeleteAsync(string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        return catalog.ChangeAsync(async () =>
        {
            if (!_open.TryGetValue(name, out LocalTopic? topic)) return false;
            await DeleteAsync(topic).ConfigureAwait(false);
            return true;
        }, cancellationToken);
    }

    /// <summary>Opens the topics that the catalog names. Their logs are there.</summary>
    internal async ValueTask OpenAsync()
    {
        foreach (CatalogTopic entry in catalog.Current.Topics) _open = _open.Add(entry.Name, await OpenAsync(entry).ConfigureAwait(false));
    }

    private static TopicOptions Checked(string name, TopicOptions? options)
    {
        CatalogName.Require(name, "topic");
        options ??= new TopicOptions();
        options.Validate();
        return options;
    }

    private async ValueTask<Topic> CreateAsync(string name, TopicOptions options)
    {
        var entry = new CatalogTopic { Name = name, Options = options, Shards = TakeShards(options.Partitions) };
        // The partitions come first: once the catalog names one, its log is there, and one that is not there was lost.
        LocalTopic topic = await OpenAsync(entry).ConfigureAwait(false);
        await ReplaceAsync([.. catalog.Current.Topics, entry], topic.Partitions).ConfigureAwait(false);
        _open = _open.Add(name, topic);
        return topic.Face;
    }

    private async ValueTask<Topic> ChangeAsync(LocalTopic topic, TopicOptions options)
    {
        int count = topic.Partitions.Count;
        if (options.Partitions < count)
            throw new ArgumentException($"Topic '{topic.Entry.Name}' has {count} partitions, which are never taken away; {options.Partitions} are fewer.", nameof(options));
        CatalogTopic entry = topic.Entry with { Options = options, Shards = [.. topic.Entry.Shards, .. TakeShards(options.Partitions - count)] };
        IReadOnlyList<LocalPartition> added = await OpenPartitionsAsync(entry, count).ConfigureAwait(false);
        await ReplaceAsync([.. catalog.Current.Topics.Select(other => other.Name == entry.Name ? entry : other)], added).ConfigureAwait(false);
        LocalPartition[] all = [.. topic.Partitions, .. added];
        _open = _open.SetItem(entry.Name, topic with { Entry = entry, Partitions = all });
        // What a partition does not take now, it takes when the store is opened again.
        foreach (LocalPartition partition in topic.Partitions) await partition.ConfigureAsync(options, CancellationToken.None).ConfigureAwait(false);
        topic.Face.Change(new TopicView(options, all));
        return topic.Face;
    }

    private async ValueTask DeleteAsync(LocalTopic topic)
    {
        StoreCatalog rest = catalog.Current with { Topics = [.. catalog.Current.Topics.Where(other => other.Name != topic.Entry.Name)] };
        try
        {
            catalog.Replace(rest);
        }
        catch (Exception e) when (e is not StoreFullException)
        {
            // Nobody knows whether the catalog on the disk still names it: it must acknowledge nothing any more.
            catalog.Assume(rest);
            await CloseAsync(topic).ConfigureAwait(false);
            throw;
        }

        await CloseAsync(topic).ConfigureAwait(false);
        foreach (long shardId in topic.Entry.Shards) runtime.RemoveShard(shardId);
        await forgetConsumers(topic.Face).ConfigureAwait(false);
    }

    private async ValueTask CloseAsync(LocalTopic topic)
    {
        _open = _open.Remove(topic.Entry.Name);
        topic.Face.Close();
        await CloseAsync(topic.Partitions).ConfigureAwait(false);
    }

    private async ValueTask CloseAsync(IEnumerable<LocalPartition> partitions)
    {
        foreach (LocalPartition partition in partitions) await runtime.ClosePartitionAsync(partition).ConfigureAwait(false);
    }

    private async ValueTask<LocalTopic> OpenAsync(CatalogTopic entry)
    {
        IReadOnlyList<LocalPartition> partitions = await OpenPartitionsAsync(entry, first: 0).ConfigureAwait(false);
        return new LocalTopic(entry, partitions, new PartitionedTopic(entry.Name, entry.Shards[0], new TopicView(entry.Options, partitions), runtime.TimeProvider, runtime.NewId));
    }

    /// <summary>Opens a topic's partitions from one on, all or none.</summary>
    private async ValueTask<IReadOnlyList<LocalPartition>> OpenPartitionsAsync(CatalogTopic entry, int first)
    {
        var partitions = new List<LocalPartition>();
        try
        {
            for (int number = first; number < entry.Shards.Count; number++)
                partitions.Add(await runtime.OpenPartitionAsync(catalog.Current.StoreId, entry.Shards[number], number, entry.Options).ConfigureAwait(false));
            return partitions;
        }
        catch
        {
            await CloseAsync(partitions).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Shards for new partitions, without the files that an interrupted creation left.</summary>
    private long[] TakeShards(int count)
    {
        long first = catalog.TakeShardIds(count);
        long[] shards = [.. Enumerable.Range(0, count).Select(number => first + number)];
        foreach (long shardId in shards) runtime.RemoveShard(shardId);
        return shards;
    }

    /// <summary>Has the catalog name other topics; where that fails, closes the partitions that were made for it.</summary>
    private async ValueTask ReplaceAsync(IReadOnlyList<CatalogTopic> topics, IReadOnlyList<LocalPartition> made)
    {
        try
        {
            catalog.Replace(catalog.Current with { Topics = topics });
        }
        catch
        {
            await CloseAsync(made).ConfigureAwait(false);
            throw;
        }
    }
}
