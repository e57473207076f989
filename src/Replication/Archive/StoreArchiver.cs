using Microsoft.Extensions.Logging;

using Tidemark.Core.KeyValue;
using Tidemark.Replication.KeyValue;
using Tidemark.Storage.Archive;
using Tidemark.Storage.Catalog;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Replication.Archive;

/// <summary>Copies what is new in a local store's namespaces to its archive. Pages: docs/archive.md.</summary>
internal sealed class StoreArchiver : IAsyncDisposable
{
    private readonly StoreDirectory _store;
    private readonly ArchiveOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ArchiveRuns _runs;
    private readonly ArchivePoints _points;
    private readonly ShardCopier _copier;
    private readonly ArchivedChanges _changes;
    private Dictionary<long, ArchivedShard>? _known;   // By shard; null where the archive is to be looked at.

    internal StoreArchiver(StoreDirectory store, TidemarkStoreOptions options, ILogger logger)
    {
        (_store, _options, _time, _logger) = (store, options.Archive!, options.TimeProvider, logger);
        string directory = Path.Combine(store.Directory, "archive");
        _copier = new ShardCopier(_options.Archive, options.FileSystem, directory, _time, logger);
        _changes = new ArchivedChanges(_options.Archive, new ArchiveReader(_options.Archive, options.FileSystem, directory), logger);
        _points = new ArchivePoints(_options.Archive);
        _runs = new ArchiveRuns(_options, _time, logger, RunAsync, async (isTime, _) => isTime || await IsLateAsync().ConfigureAwait(false));
    }

    internal ArchiveHealth Health => new(_points.Newest?.Point.Time, _copier.Bytes, _runs.Failure);

    /// <summary>Copies by itself from now on, as often as is wanted.</summary>
    internal void Start()
    {
        _copier.Clear();
        _runs.Start();
    }

    /// <summary>Copies what is new.</summary>
    /// <returns>The moment that the store can be restored to from now on: all that was written before the call is before it.</returns>
    internal Task<HybridTimestamp> ArchiveAsync(CancellationToken cancellationToken) => _runs.RunAsync(cancellationToken);

    /// <inheritdoc cref="ArchivedChanges.FindAsync"/>
    internal Task<PastChanges?> FindChangesAsync(long shardId, long behind, int mostBytes, CancellationToken cancellationToken) =>
        _changes.FindAsync(_store.Catalog.StoreId, shardId, behind, mostBytes, cancellationToken);

    public ValueTask DisposeAsync() => _runs.DisposeAsync();

    private async Task<HybridTimestamp> RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await CopyAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            _known = null;   // What came of it shows in the archive.
            throw;
        }
    }

    /// <summary>Whether so much waits on a shard that it should be copied at once.</summary>
    private async Task<bool> IsLateAsync()
    {
        foreach (LocalShard shard in _store.View().Namespaces.SelectMany(space => space.Shards))
        {
            if (_known?.GetValueOrDefault(shard.Id) is { } there && await shard.Host.LogBytesFromAsync(there.Next).ConfigureAwait(false) >= _options.LateBytes) return true;
        }

        return false;
    }

    private async Task<HybridTimestamp> CopyAsync(CancellationToken cancellationToken)
    {
        (StoreCatalog catalog, IReadOnlyList<LocalNamespace> spaces, _) = _store.View();
        catalog = catalog with { Topics = [] };
        LocalShard[] shards = [.. spaces.SelectMany(space => space.Shards)];
        if (_known is null) await _points.LookAsync(catalog.StoreId, cancellationToken).ConfigureAwait(false);
        _known ??= [];
        foreach (LocalShard shard in shards)
        {
            if (_known.ContainsKey(shard.Id)) continue;
            ArchivedShard there = await _options.Archive.ListShardAsync(shard.Id, cancellationToken).ConfigureAwait(false);
            _known.Add(shard.Id, there);
            shard.Host.Copied(there.Next);
        }

        foreach (LocalShard shard in shards)
        {
            if (shard.View.AppliedOffset + 1 < _known[shard.Id].Next)
                throw new FormatMismatchException(_store.Directory, $"a shard {shard.Id} that has entry {_known[shard.Id].Next - 1}, as the archive has", "an older copy of the store: give it another archive, or restore it");
        }

        bool isNew = _points.Newest is not { IsAhead: false, Point: { } newest } || !newest.IsOf(catalog) || shards.Any(shard => shard.View.AppliedOffset >= _known[shard.Id].Next);
        if (isNew) await CopyNewAsync(catalog, shards, cancellationToken).ConfigureAwait(false);
        if (_options.KeepFor is { } kept) await _points.PruneAsync(HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow() - kept), _known.Values, cancellationToken).ConfigureAwait(false);
        return _points.Newest!.Point.Time;
    }

    private async Task CopyNewAsync(StoreCatalog catalog, LocalShard[] shards, CancellationToken cancellationToken)
    {
        // An entry on every shard: its time is behind that of all before it, so all up to the earliest of them is copied below, also of shards that were quiet.
        long[] before = [.. shards.Select(shard => shard.View.AppliedOffset)];
        foreach (LocalShard shard in shards) await shard.CommandAsync(KvCommand.None, static _ => { }, cancellationToken).ConfigureAwait(false);
        var ends = new SortedDictionary<long, long>();
        HybridTimestamp time = HybridTimestamp.MaxValue;
        bool isAhead = false;
        for (int i = 0; i < shards.Length; i++)
        {
            var identity = new SnapshotIdentity(catalog.StoreId, shards[i].Id, KvMachine.Number);
            CopiedShard copied = (await _copier.CopyAsync(identity, shards[i].Host, shards[i].Open, _known![shards[i].Id], mayMiss: true, cancellationToken).ConfigureAwait(false))!.Value;
            ends[shards[i].Id] = copied.End.Offset + 1;
            isAhead |= copied.LastCommand > before[i];
            if (copied.End.Timestamp < time) time = copied.End.Timestamp;
        }

        await _points.CreateAsync(new KnownPoint(new ArchivePoint(time, catalog, ends), isAhead), cancellationToken).ConfigureAwait(false);
        ArchiveMessages.Archived(_logger, time);
    }
}
