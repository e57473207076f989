using Tidemark.Core.KeyValue;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Shards;
using Tidemark.Storage.Archive;
using Tidemark.Storage.Files;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Replication.Archive;

/// <summary>Reads states, entries and changes of an archive. What is read is brought to a directory of this machine first, and removed again.</summary>
/// <param name="archive">The archive.</param>
/// <param name="files">The disk.</param>
/// <param name="directory">The directory. It is created where it is missing, and its files are removed.</param>
internal sealed class ArchiveReader(IArchive archive, IFileSystem files, string directory)
{
    /// <summary>The number that stands for saved entries in snapshot files.</summary>
    internal const ushort EntriesNumber = 5;

    private long _fetches;

    /// <summary>Brings a new machine to the newest state that is no newer than a moment, and no further than an entry.</summary>
    /// <param name="machine">The machine, with the identity that the archived store had.</param>
    /// <param name="shard">What there is of it.</param>
    /// <param name="identity">Whose it is.</param>
    /// <param name="until">The moment.</param>
    /// <param name="end">Behind the last entry that must be there by then.</param>
    /// <param name="meter">Told of each piece.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="CorruptDataException">Something is damaged or missing.</exception>
    internal async Task RestoreAsync(KvMachine machine, ArchivedShard shard, SnapshotIdentity identity, HybridTimestamp until, long end, ProgressMeter meter, CancellationToken cancellationToken)
    {
        long next = 0;
        if (shard.StateAt(until) is { } state)
        {
            using FetchedObject fetched = await FetchAsync(state.Object.Name, identity, cancellationToken).ConfigureAwait(false);
            machine.Restore(meter.Watch(fetched.File.Pieces()), fetched.File.Info.Position);
            next = state.Next;
        }

        foreach (ArchivedEntries part in shard.From(next))
        {
            if (next >= end) return;
            using FetchedObject fetched = await FetchAsync(part.Object.Name, identity with { Machine = EntriesNumber }, cancellationToken).ConfigureAwait(false);
            using var saved = new SavedLog(fetched.File, meter.Watch(fetched.File.Pieces()));
            if (saved.Base.Offset != part.First - 1) throw new CorruptDataException(part.Object.Name, SnapshotHeader.Size, $"entries from {part.First} on", $"from {saved.Base.Offset + 1} on");
            if (!saved.Replay(machine, until: until)) return;
            next = part.Last + 1;
        }

        if (next < end) throw new CorruptDataException(ArchiveNames.Folder(identity.ShardId), 0, $"entry {next} of shard {identity.ShardId}", "a hole");
    }

    /// <summary>Reads what an object has of the changes behind an entry.</summary>
    /// <exception cref="CorruptDataException">It is damaged or missing.</exception>
    internal async Task<PastChanges> ReadChangesAsync(string name, SnapshotIdentity identity, long behind, int mostBytes, CancellationToken cancellationToken)
    {
        using FetchedObject fetched = await FetchAsync(name, identity, cancellationToken).ConfigureAwait(false);
        return SavedChanges.Read(fetched.File, behind, mostBytes);
    }

    /// <summary>Brings an object here and checks all of it.</summary>
    private async Task<FetchedObject> FetchAsync(string name, SnapshotIdentity identity, CancellationToken cancellationToken)
    {
        string path = Path.Combine(directory, $"{Interlocked.Increment(ref _fetches)}-{name.Replace('/', '-')}");
        files.CreateDirectory(directory);
        var fetched = new FetchedObject(files, path);
        try
        {
            Stream stream = await archive.OpenAsync(name, cancellationToken).ConfigureAwait(false);
            await using (stream.ConfigureAwait(false))
            {
                using IFile file = files.Open(path, FileOpenMode.New);
                await stream.WriteToAsync(file, cancellationToken).ConfigureAwait(false);
            }

            fetched.File = SnapshotReader.Open(files, path, identity);
            fetched.File.Verify(null, cancellationToken);
            return fetched;
        }
        catch
        {
            fetched.Dispose();
            throw;
        }
    }

    /// <summary>An object that was brought here; gone once it is disposed.</summary>
    private sealed class FetchedObject(IFileSystem files, string path) : IDisposable
    {
        internal SnapshotReader File { get; set; } = null!;   // Set once it is here.

        public void Dispose()
        {
            File?.Dispose();
            files.Delete(path);
        }
    }
}
