using System.Globalization;

using Microsoft.Extensions.Logging;

using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Replication.Nodes;

/// <summary>What the replicas of a node share: its directory and files, its clock.</summary>
internal sealed record NodeDisk(string Directory, Guid Cluster, long Run, FilePool Pool, HybridClock Clock, FlushBatches Batches, Random Random, long SegmentBytes, ILogger Logger)
{
    internal static string GenerationName(long generation) => "g" + generation.ToString("D10", CultureInfo.InvariantCulture);
}
