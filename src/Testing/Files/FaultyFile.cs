namespace Tidemark.Testing.Files;

/// <summary>An open file on the faulty disk.</summary>
internal sealed class FaultyFile(FaultyDisk disk, string path, FileImage image) : IFile
{
    private volatile bool _disposed;

    public long Length
    {
        get
        {
            lock (disk.Gate)
            {
                ThrowIfUnusable();
                return image.Length;
            }
        }
    }

    public int Read(long position, Span<byte> buffer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        lock (disk.Gate)
        {
            ThrowIfUnusable();
            return disk.Plan.Hits(FaultKind.ReadError) ? throw FaultyDisk.Failed(path) : image.Read(position, buffer);
        }
    }

    public void Write(long position, ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(position, long.MaxValue - bytes.Length);
        lock (disk.Gate)
        {
            ThrowIfUnusable();
            if (bytes.IsEmpty) return;
            int fitting = (int)Math.Clamp(image.Length - position + Math.Max(0, disk.FreeBytes), 0, bytes.Length);
            var operation = new DiskOperation(0, DiskOperationKind.Write, path, position, bytes.Length);
            Verdict verdict = disk.Plan.Begin(operation, FaultKind.WriteError, hasRoom: fitting == bytes.Length);
            int done = verdict switch
            {
                Verdict.Done => bytes.Length,
                Verdict.Halfway => disk.Plan.SomeOf(bytes.Length),
                Verdict.Full when fitting < bytes.Length => fitting,
                _ => disk.Plan.FewerThan(bytes.Length),
            };
            disk.Image.Write(image, position, bytes[..done]);
            disk.Finish(verdict, path);
        }
    }

    public void SetLength(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        lock (disk.Gate)
        {
            ThrowIfUnusable();
            bool hasRoom = length - image.Length <= Math.Max(0, disk.FreeBytes);
            var operation = new DiskOperation(0, DiskOperationKind.SetLength, path, length);
            Verdict verdict = disk.Plan.Begin(operation, FaultKind.WriteError, hasRoom);
            if (verdict is Verdict.Done or Verdict.Halfway) disk.Image.SetLength(image, length);
            disk.Finish(verdict, path);
        }
    }

    public void Flush()
    {
        lock (disk.Gate)
        {
            ThrowIfUnusable();
            Verdict verdict = disk.Plan.Begin(new DiskOperation(0, DiskOperationKind.Flush, path), FaultKind.FlushError);
            if (verdict == Verdict.Failed) disk.Plan.Counts.Add(FaultKind.LostByFlush, image.LoseUnsynced());
            else image.Flush(verdict == Verdict.Halfway ? disk.Plan.SomeOf(image.Unsynced.Count) : int.MaxValue);
            disk.Finish(verdict, path);
        }
    }

    public void Dispose() => _disposed = true;

    private void ThrowIfUnusable()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        disk.Plan.ThrowIfStopped();
    }
}
