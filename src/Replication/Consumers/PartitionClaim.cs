using Tidemark.Core.Diagnostics;

namespace Tidemark.Replication.Consumers;

/// <summary>The right to store how far a partition was read, until somebody with another ownership version takes it.</summary>
/// <remarks>
/// Each store replaces the record that this claim wrote or saw last. Where it finds another, it looks whose that is: one of the own ownership version, as after a write whose outcome was unknown,
/// is replaced; with one of another the claim is lost. A consumer that is alone has no ownership version: it keeps the record's, and loses only with the topic.
/// </remarks>
internal sealed class PartitionClaim
{
    private readonly ConsumerRows _rows;
    private readonly long? _ownership;
    private readonly Turns _turns = new();
    private StoredOffset _record;
    private long _stored;

    private PartitionClaim(ConsumerRows rows, int partition, long? ownership, StoredOffset record) =>
        (_rows, Partition, _ownership, _record, _stored) = (rows, partition, ownership, record, record.Next);

    internal int Partition { get; }

    /// <summary>The owner's version; 0 for a consumer that is alone.</summary>
    internal long Ownership => _ownership ?? 0;

    /// <summary>The offset that is stored, as this claim knows.</summary>
    internal long Stored => Volatile.Read(ref _stored);

    /// <summary>Takes a partition: from here on nobody with a lower ownership version stores an offset of it.</summary>
    /// <param name="rows">The consumer's.</param>
    /// <param name="partition">Which one.</param>
    /// <param name="ownership">The owner's version; null for a consumer that is alone.</param>
    /// <param name="start">Where to begin, where no offset is stored. It is stored then, so that what comes after is not missed by who begins again.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null where somebody with a higher version has it.</returns>
    internal static async ValueTask<PartitionClaim?> TryTakeAsync(
        ConsumerRows rows, int partition, long? ownership, Func<CancellationToken, ValueTask<long>> start, CancellationToken cancellationToken)
    {
        while (true)
        {
            StoredOffset? found = await rows.GetOffsetAsync(partition, cancellationToken).ConfigureAwait(false);
            if (found?.Ownership > ownership) return null;
            if (found is { } known && known.Ownership == (ownership ?? known.Ownership)) return new PartitionClaim(rows, partition, ownership, known);
            long next = found?.Next ?? await start(cancellationToken).ConfigureAwait(false);
            var taken = new StoredOffset(next, ownership ?? 0, found?.Version ?? 0);
            if (await rows.TryPutAsync(rows.OffsetKey(partition), taken.Write(), taken.Version, session: null, cancellationToken).ConfigureAwait(false) is { } version)
                return new PartitionClaim(rows, partition, ownership, taken with { Version = version });
        }
    }

    /// <summary>Stores an offset, also one below that which is stored.</summary>
    /// <returns>False where the partition is another's.</returns>
    internal async ValueTask<bool> TryStoreAsync(long next, CancellationToken cancellationToken)
    {
        using (await _turns.TakeAsync(cancellationToken).ConfigureAwait(false))
        {
            if (!await TryReplaceAsync(next, cancellationToken).ConfigureAwait(false)) return false;
        }

        if (_rows.Topic.Options.RetentionConsumer == _rows.Consumer) await _rows.Topic.ReleaseAsync(Partition, next, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private async ValueTask<bool> TryReplaceAsync(long next, CancellationToken cancellationToken)
    {
        while (true)
        {
            StoredOffset wanted = _record with { Next = next };
            if (await _rows.TryPutAsync(_rows.OffsetKey(Partition), wanted.Write(), wanted.Version, session: null, cancellationToken).ConfigureAwait(false) is { } version)
            {
                _record = wanted with { Version = version };
                Volatile.Write(ref _stored, next);
                return true;
            }

            // None: the topic was deleted, and what was stored with it. It is not to come back.
            if (await _rows.GetOffsetAsync(Partition, cancellationToken).ConfigureAwait(false) is not { } found) return false;
            if (found.Ownership != (_ownership ?? found.Ownership) && !Planted.Is(PlantedBug.LostClaimStores)) return false;
            _record = found;
        }
    }
}
