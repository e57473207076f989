namespace Tidemark.Storage.Log;

/// <summary>The segments of a log in order, and which of them readers hold.</summary>
/// <remarks>Guarded by the log's gate, but for <see cref="LoadIndex"/>, which reads files.</remarks>
internal sealed class SegmentList(LogFiles files, List<Segment> segments)
{
    private readonly List<Segment> _trimmed = [];   // Gone from the log; their files wait for the last reader.

    internal int Count => segments.Count;

    internal Segment First => segments[0];

    internal Segment Last => segments[^1];

    internal IEnumerable<Segment> All => segments;

    internal IEnumerable<long> Starts => segments.Select(segment => segment.FirstOffset);

    internal void Add(Segment segment) => segments.Add(segment);

    /// <summary>The segment that holds, or will hold, an offset that is not below the first.</summary>
    internal Segment Containing(long offset)
    {
        int low = 0, high = segments.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) >>> 1;
            if (segments[middle].FirstOffset <= offset) low = middle;
            else high = middle - 1;
        }

        return segments[low];
    }

    /// <summary>The last segment whose records may reach a timestamp: all before it end below.</summary>
    internal Segment Reaching(ulong timestamp)
    {
        int low = 0, high = segments.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) >>> 1;
            if (segments[middle].Header.PreviousTimestamp < timestamp) low = middle;
            else high = middle - 1;
        }

        return segments[low];
    }

    /// <summary>The segment after a sealed one, or null where that was truncated meanwhile.</summary>
    internal Segment? After(Segment segment)
    {
        Segment next = Containing(segment.NextOffset);
        return next.FirstOffset == segment.NextOffset ? next : null;
    }

    /// <summary>The first offset kept once the leading sealed segments that end at or below an offset are gone.</summary>
    internal long StartAfterTrim(long offset)
    {
        int count = 0;
        while (count < segments.Count - 1 && segments[count].NextOffset <= offset) count++;
        return segments[count].FirstOffset;
    }

    /// <summary>Takes the segments before the one that starts at an offset out of the log.</summary>
    internal void TakeBefore(long start)
    {
        int count = segments.FindIndex(segment => segment.FirstOffset == start);
        for (int i = 0; i < count; i++)
        {
            segments[i].IsTrimmed = true;
            _trimmed.Add(segments[i]);
        }

        segments.RemoveRange(0, count);
    }

    /// <summary>Takes the segments behind one out of the log.</summary>
    internal List<Segment> TakeAfter(Segment last)
    {
        int at = segments.IndexOf(last) + 1;
        List<Segment> taken = segments.GetRange(at, segments.Count - at);
        segments.RemoveRange(at, segments.Count - at);
        foreach (Segment segment in taken) segment.IsTrimmed = true;
        return taken;
    }

    internal static void Pin(Segment segment) => segment.Pins++;

    /// <summary>Lets go of a segment; true where its trimmed file can be removed now.</summary>
    internal static bool Unpin(Segment segment) => --segment.Pins == 0 && segment.IsTrimmed;

    internal bool HasGarbage
    {
        get
        {
            foreach (Segment segment in _trimmed)
            {
                if (segment.Pins == 0) return true;
            }

            return false;
        }
    }

    /// <summary>Moves the trimmed segments that nobody reads any more to a list.</summary>
    internal void TakeGarbage(List<Segment> garbage)
    {
        for (int i = _trimmed.Count - 1; i >= 0; i--)
        {
            if (_trimmed[i].Pins > 0) continue;
            garbage.Add(_trimmed[i]);
            _trimmed.RemoveAt(i);
        }
    }

    /// <summary>Reads a sealed segment's index file, or makes the index again from the segment where the file does not serve.</summary>
    /// <exception cref="CorruptDataException">The segment itself is damaged.</exception>
    internal (SegmentIndex Index, long End) LoadIndex(Segment segment)
    {
        if (TryReadIndex(segment) is { } found) return found;

        SegmentScan scan = SegmentScan.Run(files.Pool, segment);
        if (!scan.IsSealed || scan.NextOffset != segment.NextOffset)
            throw scan.Damage(segment, $"the segment is followed by one that starts at offset {segment.NextOffset}");
        WriteIndex(files, segment, scan.Index, scan.End, scan.LastTimestamp);
        return (scan.Index, scan.End);
    }

    /// <summary>Writes a sealed segment's index file. Not flushed, and no harm if it fails: it is made again when needed.</summary>
    internal static void WriteIndex(LogFiles files, Segment segment, SegmentIndex index, long end, ulong lastTimestamp)
    {
        try
        {
            files.FileSystem.Delete(segment.IndexPath);
            using IFile file = files.FileSystem.Open(segment.IndexPath, FileOpenMode.New);
            file.Write(0, index.ToBytes(segment.Header.Salt, end, lastTimestamp));
        }
        catch (Exception e) when (e is IOException or StoreFullException)
        {
            // Derived data: whoever reads the segment makes it in memory. A disk that fails shows itself at the next flush.
        }
    }

    private (SegmentIndex Index, long End)? TryReadIndex(Segment segment)
    {
        if (!files.FileSystem.FileExists(segment.IndexPath)) return null;
        using IFile file = files.FileSystem.Open(segment.IndexPath, FileOpenMode.Existing);
        if (file.Length > LogOptions.LargestBatchBytes) return null;
        byte[] bytes = new byte[file.Length];
        int read = file.Read(0, bytes);
        return SegmentIndex.TryParse(bytes.AsSpan(0, read), segment.Header.Salt, out SegmentIndex index, out long end, out _) ? (index, end) : null;
    }
}
