using Microsoft.Extensions.Logging;

using Tidemark.Core.KeyValue;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Shards;
using Tidemark.Storage.Archive;
using Tidemark.Storage.Catalog;
using Tidemark.Storage.Files;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Replication.Archive;

/// <summary>Copies what is new in a store's namespaces to its archive, now and then and when it is told to. Pages: docs/archive.md.</summary>
internal sealed class StoreArchiver : IAsyncDisposable
{
    private static readonly TimeSpan _glance = TimeSpan.FromSeconds(1);

    private readonly StoreDirectory _store;
    private readonly IFileSystem _files;
    private readonly string _directory;   // Where objects are made.
    private readonly ArchiveOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ArchiveReader _reader;
    private readonly SemaphoreSlim _turn = new(1);
    private readonly CancellationTokenSource _closing = new();
    private Task _loop = Task.CompletedTask;
    private Dictionary<long, ArchivedShard>? _known;   // By shard; null where the archive is to be looked at.
    private volatile Dictionary<long, ArchivedEntries[]>? _changes;   // By shard, for other threads; not changed any more. Null until somebody has looked.
    private List<HybridTimestamp> _points = [];
    private ArchivePoint? _newest;
    private bool _isAhead;                // Entries later than the newest point are there, or were on their way.
    private long _bytes;
    private volatile string? _failure;

    internal StoreArchiver(StoreDirectory store, TidemarkStoreOptions options, ILogger logger)
    {
        (_store, _files, _options, _time, _logger) = (store, options.FileSystem, options.Archive!, options.TimeProvider, logger);
        _directory = Path.Combine(store.Directory, "archive");
        _reader = new ArchiveReader(_options.Archive, _files, _directory);
    }

    /// <summary>Copies by itself from now on, as often as is wanted.</summary>
    internal void Start()
    {
        DirectoryFiles.Remove(_files, _directory);   // What an end in the middle left.
        if (_options.Interval != Timeout.InfiniteTimeSpan) _loop = Task.Run(LoopAsync);
    }

    internal ArchiveHealth Health => new(Volatile.Read(ref _newest)?.Time, Volatile.Read(ref _bytes), _failure);

    /// <summary>Copies what is new.</summary>
    /// <returns>The moment that the store can be restored to from now on: all that was written before the call is before it.</returns>
    internal async Task<HybridTimestamp> RunAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            HybridTimestamp reached = await CopyAsync(cancellationToken).ConfigureAwait(false);
            _failure = null;
            return reached;
        }
        catch (Exception e)
        {
            _known = null;   // What came of it shows in the archive.
            if (e is not OperationCanceledException) _failure = e.Message;
            throw;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>The changes of a shard behind an entry, as the archive has them; null where it has not, or cannot be reached.</summary>
    internal async Task<PastChanges?> FindChangesAsync(long shardId, long behind, int mostBytes, CancellationToken cancellationToken)
    {
        try
        {
            if (_changes is null) await RunAsync(cancellationToken).ConfigureAwait(false);
            ArchivedEntries part = _changes!.GetValueOrDefault(shardId, []).FirstOrDefault(part => part.First <= behind + 1 && part.Last > behind);
            if (part == default) return null;
            return await _reader.ReadChangesAsync(part.Object.Name, new SnapshotIdentity(_store.Catalog.StoreId, shardId, SavedChanges.Number), behind, mostBytes, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or TidemarkException)
        {
            ArchiveMessages.NotRead(_logger, shardId, e);
            return null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        _closing.Dispose();
    }

    private async Task LoopAsync()
    {
        using var timer = new PeriodicTimer(_options.Interval < _glance ? _options.Interval : _glance, _time);
        long began = _time.GetTimestamp();
        try
        {
            while (await timer.WaitForNextTickAsync(_closing.Token).ConfigureAwait(false))
            {
                try
                {
                    if (_time.GetElapsedTime(began) < _options.Interval && !await IsLateAsync().ConfigureAwait(false)) continue;
                    began = _time.GetTimestamp();
                    await RunAsync(_closing.Token).ConfigureAwait(false);
                }
                catch (Exception e) when (!_closing.IsCancellationRequested)
                {
                    _failure = e.Message;
                    ArchiveMessages.NotArchived(_logger, e);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The store is closed.
        }
    }

    /// <summary>Whether so much waits on a shard that it should be copied at once. Not where that failed.</summary>
    private async Task<bool> IsLateAsync()
    {
        if (_failure is not null || !await _turn.WaitAsync(0).ConfigureAwait(false)) return false;   // Somebody else copies just now.
        try
        {
            foreach (LocalShard shard in _store.View().Namespaces.SelectMany(space => space.Shards))
            {
                if (_known?.GetValueOrDefault(shard.Id) is { } there && await shard.Host.LogBytesFromAsync(there.Next).ConfigureAwait(false) >= _options.MaxLagBytes / 8) return true;
            }

            return false;
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<HybridTimestamp> CopyAsync(CancellationToken cancellationToken)
    {
        (StoreCatalog catalog, IReadOnlyList<LocalNamespace> spaces, _) = _store.View();
        catalog = catalog with { Topics = [] };
        LocalShard[] shards = [.. spaces.SelectMany(space => space.Shards)];
        if (_known is null) await LookAsync(catalog.StoreId, cancellationToken).ConfigureAwait(false);
        foreach (LocalShard shard in shards)
        {
            if (_known!.ContainsKey(shard.Id)) continue;
            ArchivedShard there = await _options.Archive.ListShardAsync(shard.Id, cancellationToken).ConfigureAwait(false);
            _known.Add(shard.Id, there);
            shard.Host.Copied(there.Next);
        }

        foreach (LocalShard shard in shards)
        {
            if (shard.View.AppliedOffset + 1 < _known![shard.Id].Next)
                throw new FormatMismatchException(_store.Directory, $"a shard {shard.Id} that has entry {_known[shard.Id].Next - 1}, as the archive has", "an older copy of the store: give it another archive, or restore it");
        }

        bool isNew = _isAhead || _newest is not { } newest || !CatalogFile.Encode(newest.Catalog).AsSpan().SequenceEqual(CatalogFile.Encode(catalog))
            || shards.Any(shard => shard.View.AppliedOffset >= _known![shard.Id].Next);
        if (isNew) await CopyNewAsync(catalog, shards, cancellationToken).ConfigureAwait(false);
        if (_options.KeepFor is { } kept) await PruneAsync(kept, cancellationToken).ConfigureAwait(false);
        _changes = _known!.ToDictionary(shard => shard.Key, shard => shard.Value.Changes);
        return _newest!.Time;
    }

    private async Task CopyNewAsync(StoreCatalog catalog, LocalShard[] shards, CancellationToken cancellationToken)
    {
        // An entry on every shard: its time is behind that of all before it, so all up to the earliest of them is copied below, also of shards that were quiet.
        long[] before = [.. shards.Select(shard => shard.View.AppliedOffset)];
        foreach (LocalShard shard in shards) await shard.CommandAsync(KvCommand.None, static _ => { }, cancellationToken).ConfigureAwait(false);
        var ends = new SortedDictionary<long, long>();
        HybridTimestamp time = HybridTimestamp.MaxValue;
        _isAhead = false;
        for (int i = 0; i < shards.Length; i++)
        {
            StatePosition end = await CopyAsync(catalog.StoreId, shards[i], _known![shards[i].Id], cancellationToken).ConfigureAwait(false);
            ends[shards[i].Id] = end.Offset + 1;
            _isAhead |= end.Offset != before[i] + 1;
            if (end.Timestamp < time) time = end.Timestamp;
        }

        var point = new ArchivePoint(time, catalog, ends);
        using var content = new MemoryStream(point.ToBytes());
        await _options.Archive.TryCreateAsync(ArchiveNames.Point(time), content, cancellationToken).ConfigureAwait(false);
        Interlocked.Add(ref _bytes, content.Length);
        _points.Add(time);
        Volatile.Write(ref _newest, point);
        ArchiveMessages.Archived(_logger, time);
    }

    /// <returns>The last entry that is there now.</returns>
    private async Task<StatePosition> CopyAsync(Guid storeId, LocalShard shard, ArchivedShard known, CancellationToken cancellationToken)
    {
        var identity = new SnapshotIdentity(storeId, shard.Id, KvMachine.Number);
        (LogCut entries, IStateSnapshot? state) = await shard.Host.TakeCutAsync(known.Next, known.IsStateDue).ConfigureAwait(false);
        using (entries)
        using (state)
        {
            if (state is not null && entries.First > known.Next) ArchiveMessages.Hole(_logger, shard.Id, known.Next, entries.First);
            string name = ArchiveNames.Entries(shard.Id, entries.First, entries.Position.Offset);
            known.Add(await PutAsync(name, identity with { Machine = ArchiveReader.EntriesNumber }, entries, cancellationToken).ConfigureAwait(false));
            if (SavedChanges.TryTake(shard.Open(), entries.First, entries.Position, entries.Hash) is { } changes)
            {
                using (changes) known.Add(await PutAsync(ArchiveNames.Changes(shard.Id, entries.First, entries.Position.Offset), identity with { Machine = SavedChanges.Number }, changes, cancellationToken).ConfigureAwait(false));
            }

            if (state is not null) known.Add(await PutAsync(ArchiveNames.State(shard.Id, state.Position), identity, state, cancellationToken).ConfigureAwait(false));
            shard.Host.Copied(known.Next);
            return entries.Position;
        }
    }

    private async Task<ArchiveObject> PutAsync(string name, SnapshotIdentity identity, IStateSnapshot content, CancellationToken cancellationToken)
    {
        _files.CreateDirectory(_directory);
        SnapshotInfo info = SnapshotWriter.Write(_files, _directory, identity, content, cancellation: cancellationToken);
        string path = Path.Combine(_directory, SnapshotWriter.FileName(info.NextOffset));
        try
        {
            using var stream = new FileReadStream(_files.Open(path, FileOpenMode.Existing));
            await _options.Archive.TryCreateAsync(name, stream, cancellationToken).ConfigureAwait(false);   // What was there before is the same.
        }
        finally
        {
            _files.Delete(path);
        }

        Interlocked.Add(ref _bytes, info.FileBytes);
        return new ArchiveObject(name, info.FileBytes);
    }

    /// <exception cref="FormatMismatchException">It is another store's archive.</exception>
    private async Task LookAsync(Guid storeId, CancellationToken cancellationToken)
    {
        _points = await _options.Archive.ListPointsAsync(cancellationToken).ConfigureAwait(false);
        ArchivePoint? newest = _points.Count == 0 ? null : await _options.Archive.ReadPointAsync(_points[^1], cancellationToken).ConfigureAwait(false);
        if (newest is not null && newest.Catalog.StoreId != storeId)
            throw new FormatMismatchException(_options.Archive.ToString()!, $"the archive of store {storeId}", $"that of {newest.Catalog.StoreId}: a store that was restored needs another archive");
        Volatile.Write(ref _newest, newest);
        _known = [];
    }

    /// <summary>Deletes what no restore needs that goes back no further than the oldest moment wanted. Points go first: one that is there has all it needs.</summary>
    private async Task PruneAsync(TimeSpan kept, CancellationToken cancellationToken)
    {
        var oldest = HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow() - kept);
        while (_points.Count > 1 && _points[0] < oldest)
        {
            await _options.Archive.DeleteAsync(ArchiveNames.Point(_points[0]), cancellationToken).ConfigureAwait(false);
            _points.RemoveAt(0);
        }

        foreach (ArchivedShard shard in _known!.Values)
        {
            foreach (ArchiveObject gone in shard.UnneededSince(oldest))
            {
                await _options.Archive.DeleteAsync(gone.Name, cancellationToken).ConfigureAwait(false);
                shard.Remove(gone);
            }
        }
    }
}
