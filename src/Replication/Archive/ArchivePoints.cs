using Tidemark.Storage.Archive;

namespace Tidemark.Replication.Archive;

/// <summary>A point that is known.</summary>
/// <param name="Point">The point.</param>
/// <param name="IsAhead">Whether more than empty entries may be there that are later.</param>
internal sealed record KnownPoint(ArchivePoint Point, bool IsAhead);

/// <summary>The points of an archive, as one process knows them.</summary>
/// <remarks>One call at a time, but for <see cref="Newest"/> and <see cref="Tell"/>.</remarks>
internal sealed class ArchivePoints(IArchive archive)
{
    private List<HybridTimestamp> _times = [];
    private KnownPoint? _newest;

    /// <summary>Any thread: the newest that is known; null where there is none, or nobody has looked.</summary>
    internal KnownPoint? Newest => Volatile.Read(ref _newest);

    /// <summary>Looks at the archive.</summary>
    /// <exception cref="FormatMismatchException">It is another store's.</exception>
    internal async Task LookAsync(Guid storeId, CancellationToken cancellationToken)
    {
        List<HybridTimestamp> times = await archive.ListPointsAsync(cancellationToken).ConfigureAwait(false);
        if (times.Count > 0 && Newest?.Point.Time != times[^1])
        {
            ArchivePoint newest = await archive.ReadPointAsync(times[^1], cancellationToken).ConfigureAwait(false);
            if (newest.Catalog.StoreId != storeId)
                throw new FormatMismatchException(archive.ToString()!, $"the archive of {storeId}", $"that of {newest.Catalog.StoreId}: a store that was restored, and a new cluster, need another archive");
            Tell(new KnownPoint(newest, IsAhead: true));
        }

        _times = times;
    }

    /// <summary>Creates a point, whose objects are all there.</summary>
    internal async Task CreateAsync(KnownPoint made, CancellationToken cancellationToken)
    {
        using var content = new MemoryStream(made.Point.ToBytes());
        await archive.TryCreateAsync(ArchiveNames.Point(made.Point.Time), content, cancellationToken).ConfigureAwait(false);   // What was there before is as true.
        _times.Add(made.Point.Time);
        Tell(made);
    }

    /// <summary>Any thread: there is a point.</summary>
    internal void Tell(KnownPoint told)
    {
        while (Newest is var known && (known is null || known.Point.Time < told.Point.Time))
        {
            if (ReferenceEquals(Interlocked.CompareExchange(ref _newest, told, known), known)) break;
        }
    }

    /// <summary>Deletes what no restore needs that goes back no further than a moment. Points go first: one that is there has all it needs.</summary>
    internal async Task PruneAsync(HybridTimestamp oldest, IEnumerable<ArchivedShard> shards, CancellationToken cancellationToken)
    {
        while (_times.Count > 1 && _times[0] < oldest)
        {
            await archive.DeleteAsync(ArchiveNames.Point(_times[0]), cancellationToken).ConfigureAwait(false);
            _times.RemoveAt(0);
        }

        foreach (ArchivedShard shard in shards)
        {
            foreach (ArchiveObject gone in shard.UnneededSince(oldest))
            {
                await archive.DeleteAsync(gone.Name, cancellationToken).ConfigureAwait(false);
                shard.Remove(gone);
            }
        }
    }
}
