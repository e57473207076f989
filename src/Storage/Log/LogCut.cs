namespace Tidemark.Storage.Log;

/// <summary>A truncation on disk, in steps that can be finished after a crash at any of them. Decided, durably, by a manifest in the state cutting.</summary>
internal static class LogCut
{
    /// <summary>Deletes the segments behind the point, ends its segment's file there, and says that the log is open again.</summary>
    internal static void Finish(LogFiles files, in Manifest manifest, IEnumerable<long> starts)
    {
        LogPoint point = manifest.Point;
        foreach (long start in starts)
        {
            if (start >= point.Segment) files.FileSystem.Delete(Path.ChangeExtension(files.SegmentPath(start), Segment.IndexExtension));
            if (start > point.Segment) files.Withdraw(files.SegmentPath(start));
        }

        files.FlushDirectory();
        using (IFile file = files.FileSystem.Open(files.SegmentPath(point.Segment), FileOpenMode.Existing))
        {
            file.SetLength(Math.Min(file.Length, point.Position));
            file.Flush();
        }

        files.WriteManifest(manifest with { State = ManifestState.Open });
    }
}
