using System.Collections.Concurrent;

using Microsoft.Extensions.Logging;

using Tidemark.Core.KeyValue;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Replication.Archive;

/// <summary>Finds in an archive what has changed on a shard longer ago than the shard itself remembers.</summary>
/// <remarks>Safe for concurrent calls.</remarks>
internal sealed class ArchivedChanges(IArchive archive, ArchiveReader reader, ILogger logger)
{
    private readonly ConcurrentDictionary<long, ArchivedEntries[]> _known = new();

    /// <returns>The changes of a shard behind an entry; null where the archive has them not, or cannot be reached.</returns>
    internal async Task<PastChanges?> FindAsync(Guid storeId, long shardId, long behind, int mostBytes, CancellationToken cancellationToken)
    {
        var identity = new SnapshotIdentity(storeId, shardId, SavedChanges.Number);
        try
        {
            try
            {
                if (_known.TryGetValue(shardId, out ArchivedEntries[]? known) && await ReadAsync(known).ConfigureAwait(false) is { } found) return found;
            }
            catch (CorruptDataException)
            {
                // It was deleted since, or is damaged: what is there now tells.
            }

            // Whoever asks in vain downloads everything, which costs more than to look.
            return await ReadAsync(_known[shardId] = (await archive.ListShardAsync(shardId, cancellationToken).ConfigureAwait(false)).Changes).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or TidemarkException)
        {
            ArchiveMessages.NotRead(logger, shardId, e);
            return null;
        }

        async Task<PastChanges?> ReadAsync(ArchivedEntries[] there)
        {
            ArchivedEntries part = there.FirstOrDefault(part => part.First <= behind + 1 && part.Last > behind);
            return part == default ? null : await reader.ReadChangesAsync(part.Object.Name, identity, behind, mostBytes, cancellationToken).ConfigureAwait(false);
        }
    }
}
