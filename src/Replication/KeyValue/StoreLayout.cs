using System.Globalization;

using Tidemark.Storage.Catalog;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Replication.KeyValue;

/// <summary>Where the parts of a store, and of a backup, lie below their directory.</summary>
internal static class StoreLayout
{
    internal static string Shard(string directory, long shardId) => Path.Combine(directory, "shards", shardId.ToString("D6", CultureInfo.InvariantCulture));

    internal static string Log(string directory, long shardId) => Path.Combine(Shard(directory, shardId), "log");

    internal static string State(string directory, long shardId) => Path.Combine(Shard(directory, shardId), "state");

    /// <summary>The directories of a shard that may hold files.</summary>
    internal static string[] Places(string directory, long shardId) => [Shard(directory, shardId), Log(directory, shardId), State(directory, shardId)];

    /// <summary>Makes sure that something new may be made in a directory. A lock file does not count, nor what a crash left before anything else was made.</summary>
    /// <exception cref="IOException">There is something in it.</exception>
    internal static void RequireEmpty(IFileSystem files, string directory, IEnumerable<long> shardIds)
    {
        IEnumerable<string> places = shardIds.SelectMany(id => Places(directory, id)).Prepend(directory);
        foreach (string place in places)
        {
            if (DirectoryFiles.Names(files, place).FirstOrDefault(name => name is not (LogFiles.LockName or CatalogFile.TemporaryName)) is { } found)
                throw new IOException($"'{directory}' is not empty: it holds '{Path.Combine(place, found)}'. Choose another, or delete it first.");
        }
    }
}
