using System.Buffers;

using Tidemark.Storage.Archive;

namespace Tidemark.Replication.Archive;

/// <summary>What there is in an archive.</summary>
internal static class ArchiveContents
{
    /// <summary>The times of its points, in order.</summary>
    internal static async Task<List<HybridTimestamp>> ListPointsAsync(this IArchive archive, CancellationToken cancellationToken)
    {
        var times = new List<HybridTimestamp>();
        foreach (ArchiveObject found in await archive.ListAsync(ArchiveNames.Points, cancellationToken).ConfigureAwait(false))
        {
            if (ArchiveNames.TryParsePoint(found.Name, out HybridTimestamp time)) times.Add(time);
        }

        times.Sort();
        return times;
    }

    /// <exception cref="CorruptDataException">It is damaged, or there is none.</exception>
    internal static async Task<ArchivePoint> ReadPointAsync(this IArchive archive, HybridTimestamp time, CancellationToken cancellationToken)
    {
        string name = ArchiveNames.Point(time);
        var bytes = new ArrayBufferWriter<byte>();
        Stream stream = await archive.OpenAsync(name, cancellationToken).ConfigureAwait(false);
        await using (stream.ConfigureAwait(false))
        {
            while (bytes.WrittenCount < ArchivePoint.MostBytes && await stream.ReadAsync(bytes.GetMemory(4096), cancellationToken).ConfigureAwait(false) is var read and > 0) bytes.Advance(read);
        }

        return ArchivePoint.Read(name, bytes.WrittenSpan);
    }

    internal static async Task<ArchivedShard> ListShardAsync(this IArchive archive, long shardId, CancellationToken cancellationToken) =>
        new(await archive.ListAsync(ArchiveNames.Folder(shardId), cancellationToken).ConfigureAwait(false));

    /// <summary>Opens an object that must be there.</summary>
    /// <exception cref="CorruptDataException">There is none.</exception>
    internal static async Task<Stream> OpenAsync(this IArchive archive, string name, CancellationToken cancellationToken) =>
        await archive.OpenReadAsync(name, cancellationToken).ConfigureAwait(false) ?? throw new CorruptDataException(name, 0, "an object of that name", "none");
}
