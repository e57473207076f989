using System.Globalization;

using Microsoft.Extensions.Logging;

using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Replication.Nodes;

/// <summary>What the replicas of a node share: its directory and files, its clock.</summary>
internal sealed record NodeDisk(string Directory, Guid Cluster, long Run, FilePool Pool, HybridClock Clock, FlushBatches Batches, Random Random, long SegmentBytes, ILogger Logger)
{
    internal static string GenerationName(long generation) => "g" + generation.ToString("D10", CultureInfo.InvariantCulture);

    /// <param name="files">The disk.</param>
    /// <param name="directory">Where all files go, which may not be there.</param>
    /// <param name="isForGood">Whether none of them may be there again after a crash.</param>
    internal static void RemoveFiles(IFileSystem files, string directory, bool isForGood = false)
    {
        try
        {
            foreach (string name in files.ListFiles(directory)) files.Delete(Path.Combine(directory, name));
            if (isForGood) files.FlushDirectory(directory);
        }
        catch (DirectoryNotFoundException)
        {
            // There is nothing to remove.
        }
    }
}
