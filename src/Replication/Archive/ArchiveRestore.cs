using System.Buffers;

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
    /// <returns>What was restored.</returns>
    internal async Task<BackupReport> RunAsync(HybridTimestamp? until, IProgress<BackupProgress>? progress, CancellationToken cancellationToken)
    {
        ArchivePoint point = await FindAsync(archive, until, cancellationToken).ConfigureAwait(false);
        Dictionary<long, ArchivedShard> shards = await RequireAsync(point, until, cancellationToken).ConfigureAwait(false);
        string fetched = Path.Combine(directory, "archive");
        var reader = new ArchiveReader(archive, options.FileSystem, fetched);
        StoreCatalog saved = point.Catalog;
        var meter = new ProgressMeter(progress, saved.ShardIds.Count(), cancellationToken);
        var restored = new List<ShardBackup>();
        await StoreRestore.MakeAsync(saved, directory, options, async (runtime, storeId) =>
        {
            foreach ((CatalogNamespace space, long shardId) in BackupFolder.ShardsOf(saved))
            {
                using var machine = new KvMachine(new MemoryEngine(), new KvIdentity(saved.StoreId, shardId));
                var identity = new SnapshotIdentity(saved.StoreId, shardId, KvMachine.Number);
                await reader.RestoreAsync(machine, shards[shardId], identity, until ?? HybridTimestamp.MaxValue, point.Ends[shardId], meter, cancellationToken).ConfigureAwait(false);
                using IStateSnapshot state = machine.TakeSnapshot();
                long bytes = 0;
                runtime.CreateShard(storeId, shardId, space.Options, Pieces(state, length => bytes += length), machine.Position);
                restored.Add(new ShardBackup(space.Name, shardId, machine.Position, machine.Hash, bytes));
                meter.EndShard();
            }

            DirectoryFiles.Remove(options.FileSystem, fetched);
        }).ConfigureAwait(false);
        return new BackupReport(saved.StoreId, restored, []);
    }

    /// <summary>From when to when an archive goes.</summary>
    internal static async Task<ArchiveRange> DescribeAsync(IArchive archive, CancellationToken cancellationToken)
    {
        ArchivePoint newest = await FindAsync(archive, null, cancellationToken).ConfigureAwait(false);
        HybridTimestamp earliest = HybridTimestamp.MinValue;
        foreach (long shardId in newest.Catalog.ShardIds)
        {
            HybridTimestamp first = (await archive.ListShardAsync(shardId, cancellationToken).ConfigureAwait(false)).Earliest ?? HybridTimestamp.MaxValue;
            if (first > earliest) earliest = first;
        }

        return new ArchiveRange(newest.Catalog.StoreId, earliest, newest.Time);
    }

    /// <summary>The first point that is no earlier than a moment, or the newest.</summary>
    private static async Task<ArchivePoint> FindAsync(IArchive archive, HybridTimestamp? until, CancellationToken cancellationToken)
    {
        List<HybridTimestamp> times = await archive.ListPointsAsync(cancellationToken).ConfigureAwait(false);
        if (times.Count == 0) throw new FormatMismatchException("archive", "the archive of a store", "no point that a store can be restored to");
        if (until > times[^1]) throw new ArgumentOutOfRangeException(nameof(until), until, $"The archive is complete up to {times[^1]}. Whether all is there that was written later is not known.");
        return await archive.ReadPointAsync(until is { } moment ? times.First(time => time >= moment) : times[^1], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What there is of each shard.</summary>
    private async Task<Dictionary<long, ArchivedShard>> RequireAsync(ArchivePoint point, HybridTimestamp? until, CancellationToken cancellationToken)
    {
        Dictionary<long, ArchivedShard> shards = [];
        foreach (long shardId in point.Catalog.ShardIds)
        {
            ArchivedShard shard = shards[shardId] = await archive.ListShardAsync(shardId, cancellationToken).ConfigureAwait(false);
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
