using System.Buffers;
using System.Runtime.CompilerServices;

using Tidemark.Core.KeyValue;
using Tidemark.Replication.KeyValue;
using Tidemark.Storage.Archive;
using Tidemark.Storage.Catalog;
using Tidemark.Storage.Files;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Replication.Archive;

/// <summary>Makes a store of an archive, as it was at a moment. Pages: docs/archive.md.</summary>
internal sealed class ArchiveRestore(IArchive archive, string directory, TidemarkStoreOptions options)
{
    private readonly IFileSystem _files = options.FileSystem;
    private readonly string _fetched = Path.Combine(directory, "archive");

    /// <returns>What was restored.</returns>
    internal async Task<BackupReport> RunAsync(HybridTimestamp? until, IProgress<BackupProgress>? progress, CancellationToken cancellationToken)
    {
        var reader = new ArchiveReader(archive, _files, _fetched);
        ArchivePoint point = await FindAsync(reader, until, cancellationToken).ConfigureAwait(false);
        Dictionary<long, ArchivedShard> shards = await RequireAsync(reader, point, until, cancellationToken).ConfigureAwait(false);
        long[] shardIds = [.. point.Catalog.ShardIds];
        StoreLayout.RequireEmpty(_files, directory, shardIds);
        var runtime = StoreRuntime.Open(directory, options);
        await using ConfiguredAsyncDisposable opened = runtime.ConfigureAwait(false);
        StoreLayout.RequireEmpty(_files, directory, shardIds);   // Another may have been at work between the look and the lock.

        StoreCatalog saved = point.Catalog;
        StoreCatalog catalog = saved with { StoreId = runtime.NewId(), Created = options.TimeProvider.GetUtcNow(), Engine = options.Engine.Name };
        CatalogFile.Write(_files, directory, catalog with { Engine = StoreRestore.Unfinished, Namespaces = [] });
        var meter = new ProgressMeter(progress, shardIds.Length, cancellationToken);
        var restored = new List<ShardBackup>();
        foreach ((CatalogNamespace space, long shardId) in BackupFolder.ShardsOf(saved))
        {
            using var machine = new KvMachine(StorageEngine.Memory.Open(directory), new KvIdentity(saved.StoreId, shardId));
            await reader.RestoreAsync(
                machine, shards[shardId], new SnapshotIdentity(saved.StoreId, shardId, KvMachine.Number), until ?? HybridTimestamp.MaxValue, point.Ends[shardId], meter, cancellationToken).ConfigureAwait(false);
            using IStateSnapshot state = machine.TakeSnapshot();
            long bytes = 0;
            runtime.CreateShard(catalog.StoreId, shardId, space.Options, Pieces(state, length => bytes += length), machine.Position);
            restored.Add(new ShardBackup(space.Name, shardId, machine.Position, machine.Hash, bytes));
            meter.EndShard();
        }

        DirectoryFiles.Remove(_files, _fetched);
        CatalogFile.Write(_files, directory, catalog);
        return new BackupReport(saved.StoreId, restored, []);
    }

    /// <summary>From when to when an archive goes.</summary>
    internal static async Task<ArchiveRange> DescribeAsync(IArchive archive, CancellationToken cancellationToken)
    {
        var reader = new ArchiveReader(archive, DiskFileSystem.Instance, string.Empty);   // It fetches nothing.
        ArchivePoint newest = await FindAsync(reader, null, cancellationToken).ConfigureAwait(false);
        HybridTimestamp earliest = HybridTimestamp.MinValue;
        foreach (long shardId in newest.Catalog.ShardIds)
        {
            HybridTimestamp first = (await reader.ListShardAsync(shardId, cancellationToken).ConfigureAwait(false)).Earliest ?? HybridTimestamp.MaxValue;
            if (first > earliest) earliest = first;
        }

        return new ArchiveRange(newest.Catalog.StoreId, earliest, newest.Time);
    }

    /// <summary>The first point that is no earlier than a moment, or the newest.</summary>
    private static async Task<ArchivePoint> FindAsync(ArchiveReader reader, HybridTimestamp? until, CancellationToken cancellationToken)
    {
        List<HybridTimestamp> times = await reader.ListPointsAsync(cancellationToken).ConfigureAwait(false);
        if (times.Count == 0) throw new FormatMismatchException("archive", "the archive of a store", "no point that a store can be restored to");
        if (until > times[^1]) throw new ArgumentOutOfRangeException(nameof(until), until, $"The archive is complete up to {times[^1]}. Whether all is there that was written later is not known.");
        return await reader.ReadPointAsync(until is { } moment ? times.First(time => time >= moment) : times[^1], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What there is of each shard.</summary>
    private static async Task<Dictionary<long, ArchivedShard>> RequireAsync(ArchiveReader reader, ArchivePoint point, HybridTimestamp? until, CancellationToken cancellationToken)
    {
        Dictionary<long, ArchivedShard> shards = [];
        foreach (long shardId in point.Catalog.ShardIds)
        {
            ArchivedShard shard = shards[shardId] = await reader.ListShardAsync(shardId, cancellationToken).ConfigureAwait(false);
            if (!shard.GoesBackTo(until ?? HybridTimestamp.MaxValue)) throw new ArgumentOutOfRangeException(nameof(until), until, $"The archive of shard {shardId} goes back to {shard.Earliest}.");
        }

        return shards;
    }

    private static IEnumerable<ReadOnlyMemory<byte>> Pieces(IStateSnapshot state, Action<int> counted)
    {
        var piece = new ArrayBufferWriter<byte>();
        while (state.WriteNext(piece))
        {
            counted(piece.WrittenCount);
            yield return piece.WrittenMemory;
            piece.ResetWrittenCount();
        }
    }
}
