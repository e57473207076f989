using System.Globalization;

using Tidemark.Storage.Catalog;
using Tidemark.Storage.Log;

namespace Tidemark.Replication.KeyValue;

/// <summary>Where the parts of a store, and of a backup, lie below their directory.</summary>
internal static class StoreLayout
{
    internal static string Shard(string directory, long shardId) => Path.Combine(directory, "shards", shardId.ToString("D6", CultureInfo.InvariantCulture));

    internal static string Log(string directory, long shardId) => Path.Combine(Shard(directory, shardId), "log");

    internal static string State(string directory, long shardId) => Path.Combine(Shard(directory, shardId), "state");

    /// <summary>The names of a directory's files; none where there is no such directory.</summary>
    internal static IReadOnlyList<string> Files(IFileSystem files, string directory)
    {
        try
        {
            return files.ListFiles(directory);
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }

    /// <summary>Makes sure that something new may be made in a directory. A lock file does not count, nor what a crash left before anything else was made.</summary>
    /// <exception cref="IOException">There is something in it.</exception>
    internal static void RequireEmpty(IFileSystem files, string directory, IEnumerable<long> shardIds)
    {
        IEnumerable<string> places = shardIds.SelectMany(id => (string[])[Shard(directory, id), Log(directory, id), State(directory, id)]).Prepend(directory);
        foreach (string place in places)
        {
            if (Files(files, place).FirstOrDefault(name => name is not (LogFiles.LockName or CatalogFile.TemporaryName)) is { } found)
                throw new IOException($"'{directory}' is not empty: it holds '{Path.Combine(place, found)}'. Choose another, or delete it first.");
        }
    }
}
