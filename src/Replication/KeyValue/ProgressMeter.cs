namespace Tidemark.Replication.KeyValue;

/// <summary>Counts the bytes and shards that are done, tells whoever asked, and ends the work where that is wanted.</summary>
internal sealed class ProgressMeter(IProgress<BackupProgress>? progress, int shardCount, CancellationToken cancellation)
{
    private int _shardsDone;
    private long _bytes;

    internal void Add(long bytes)
    {
        cancellation.ThrowIfCancellationRequested();
        _bytes += bytes;
        progress?.Report(new BackupProgress(_shardsDone, shardCount, _bytes));
    }

    internal void EndShard()
    {
        _shardsDone++;
        Add(0);
    }

    /// <summary>The same pieces, each counted when it was used.</summary>
    internal IEnumerable<ReadOnlyMemory<byte>> Watch(IEnumerable<ReadOnlyMemory<byte>> pieces)
    {
        foreach (ReadOnlyMemory<byte> piece in pieces)
        {
            yield return piece;
            Add(piece.Length);
        }
    }
}
