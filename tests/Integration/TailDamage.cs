namespace Tidemark.Integration;

/// <summary>A directory as a crash left it, copied so that it can be damaged or recovered more than once.</summary>
internal static class CrashedCopy
{
    internal static void Of(string source, string target)
    {
        Directory.CreateDirectory(target);
        foreach (string file in Directory.GetFiles(source)) File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
    }
}

/// <summary>Damage of the kind a crash makes, behind what was acknowledged. Knows of the format only how to step from frame to frame.</summary>
internal static class TailDamage
{
    private const int SegmentHeader = 80, FrameHeader = 48, RecordType = 1, MoreFollows = 2;

    internal static string LastSegment(string directory) => Directory.GetFiles(directory, "*.log").Order(StringComparer.Ordinal).Last();

    /// <summary>Where the records of a segment end, oldest first. All records of a batch end where the batch does: it is kept or lost as a whole.</summary>
    internal static List<int> EndsIn(ReadOnlySpan<byte> segment)
    {
        List<int> ends = [];
        int batch = 0;   // The records before the one looked at that belong to its batch.
        for (int at = SegmentHeader; at + FrameHeader <= segment.Length && segment[at + 42] == RecordType;)
        {
            int length = BitConverter.ToInt32(segment[(at + 12)..]);
            bool isBatchEnd = (segment[at + 43] & MoreFollows) == 0;
            at += FrameHeader + (length == 0 ? 0 : (length + 8) & ~7);
            batch++;
            if (!isBatchEnd || at > segment.Length) continue;
            ends.AddRange(Enumerable.Repeat(at, batch));
            batch = 0;
        }

        return ends;
    }

    /// <summary>Writes the first bytes of something behind the last record, as a write does whose rest the disk never saw.</summary>
    internal static void AppendHalfAHeader(string directory)
    {
        string path = LastSegment(directory);
        byte[] bytes = File.ReadAllBytes(path);
        int end = Math.Max(SegmentHeader, bytes.AsSpan().LastIndexOfAnyExcept((byte)0) + 1);
        end = (end + 7) & ~7;
        using FileStream file = File.OpenWrite(path);
        file.Position = end;
        file.Write("half of a header"u8);
    }
}
