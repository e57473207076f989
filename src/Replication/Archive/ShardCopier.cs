using Microsoft.Extensions.Logging;

using Tidemark.Core.State;
using Tidemark.Replication.Shards;
using Tidemark.Storage.Archive;
using Tidemark.Storage.Files;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Replication.Archive;

/// <summary>What came of copying a shard.</summary>
/// <param name="First">The first entry that was copied.</param>
/// <param name="End">The last one.</param>
/// <param name="LastCommand">The last of them that is more than a mark or empty, or the entry before them.</param>
internal readonly record struct CopiedShard(long First, StatePosition End, long LastCommand);

/// <summary>Copies what is new of a shard to an archive: entries, changes and now and then the state.</summary>
/// <remarks>One copy at a time: objects are made in one directory before they are created.</remarks>
internal sealed class ShardCopier(IArchive archive, IFileSystem files, string directory, TimeProvider time, ILogger logger)
{
    private long _bytes;

    /// <summary>Any thread: how much was copied.</summary>
    internal long Bytes => Volatile.Read(ref _bytes);

    /// <summary>Removes what an end in the middle left.</summary>
    internal void Clear() => DirectoryFiles.Remove(files, directory);

    /// <summary>Copies what the archive has not, up to the newest entry that was applied, which must be new.</summary>
    /// <param name="identity">Of the shard's states.</param>
    /// <param name="host">The shard, or a replica of it.</param>
    /// <param name="open">Looks at its state.</param>
    /// <param name="there">What the archive has. What is created is added.</param>
    /// <param name="mayMiss">Whether to go on with a state where the log begins behind what the archive has.</param>
    /// <param name="cancellationToken">Ends it between two pieces.</param>
    /// <returns>Null where nothing was copied, because entries would be missing.</returns>
    internal async Task<CopiedShard?> CopyAsync(SnapshotIdentity identity, ShardHost host, Func<StateReader> open, ArchivedShard there, bool mayMiss, CancellationToken cancellationToken)
    {
        (LogCut entries, IStateSnapshot? state) = await host.TakeCutAsync(there.Next, there.IsStateDue).ConfigureAwait(false);
        using (entries)
        using (state)
        {
            if (entries.First > there.Next)
            {
                if (!mayMiss) return null;
                ArchiveMessages.Hole(logger, identity.ShardId, there.Next, entries.First);
            }

            long shardId = identity.ShardId, last = entries.Position.Offset;
            there.Add(await PutAsync(ArchiveNames.Entries(shardId, entries.First, last), identity with { Machine = ArchiveReader.EntriesNumber }, entries, null, cancellationToken).ConfigureAwait(false));
            if (SavedChanges.TryTake(open(), entries.First, entries.Position, entries.Hash) is { } changes)
            {
                using (changes) there.Add(await PutAsync(ArchiveNames.Changes(shardId, entries.First, last), identity with { Machine = SavedChanges.Number }, changes, null, cancellationToken).ConfigureAwait(false));
            }

            if (state is not null) there.Add(await PutAsync(ArchiveNames.State(shardId, state.Position), identity, state, new Pace(time), cancellationToken).ConfigureAwait(false));
            host.Copied(there.Next);
            return new CopiedShard(entries.First, entries.Position, entries.LastCommand);
        }
    }

    private async Task<ArchiveObject> PutAsync(string name, SnapshotIdentity identity, IStateSnapshot content, Pace? pace, CancellationToken cancellationToken)
    {
        files.CreateDirectory(directory);
        SnapshotInfo info = SnapshotWriter.Write(files, directory, identity, content, pace, null, cancellationToken);
        string path = Path.Combine(directory, SnapshotWriter.FileName(info.NextOffset));
        try
        {
            using var stream = new FileReadStream(files.Open(path, FileOpenMode.Existing));
            await archive.TryCreateAsync(name, stream, cancellationToken).ConfigureAwait(false);   // What was there before is the same.
        }
        finally
        {
            files.Delete(path);
        }

        Interlocked.Add(ref _bytes, info.FileBytes);
        return new ArchiveObject(name, info.FileBytes);
    }
}
