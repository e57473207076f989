using System.Globalization;

using Tidemark.Storage.Files;

namespace Tidemark.Storage.Log;

/// <summary>One segment file: where it starts, how far it reaches, and who still reads it.</summary>
/// <remarks>The fields that change are guarded by the log's gate.</remarks>
internal sealed class Segment
{
    internal const string Extension = ".log";
    internal const string IndexExtension = ".index";

    internal Segment(PooledFile file, SegmentHeader header, uint headerChain)
    {
        File = file;
        Header = header;
        HeaderChain = headerChain;
        Seed = FrameHeader.Seed(header.Salt);
        End = SegmentHeader.Size;
        NextOffset = header.FirstOffset;
    }

    internal PooledFile File { get; }

    internal SegmentHeader Header { get; private set; }

    /// <summary>The chain value of the first frame.</summary>
    internal uint HeaderChain { get; private set; }

    /// <summary>The start value of all frame checksums.</summary>
    internal uint Seed { get; }

    internal long FirstOffset => Header.FirstOffset;

    internal bool HasRecords => NextOffset > FirstOffset;

    /// <summary>Whether a successor exists. <see cref="End"/> and <see cref="NextOffset"/> are final then.</summary>
    internal bool IsSealed { get; set; }

    /// <summary>The position after the last frame encoded so far. In a sealed segment that is not loaded yet, unknown: 0.</summary>
    internal long End { get; set; }

    /// <summary>The offset after the last record.</summary>
    internal long NextOffset { get; set; }

    /// <summary>Up to here the file has room: appends may use it without asking the disk. What no append has used reads as zero.</summary>
    internal long PreparedEnd { get; set; }

    /// <summary>Null until needed in a segment sealed before this process opened the log.</summary>
    internal SegmentIndex? Index { get; set; }

    internal ulong FirstTimestamp { get; set; }

    internal ulong LastTimestamp { get; set; }

    /// <summary>Readers inside. A trimmed segment's file goes when the last one leaves.</summary>
    internal int Pins { get; set; }

    /// <summary>Trimmed: no new reader may enter.</summary>
    internal bool IsTrimmed { get; set; }

    internal string IndexPath => Path.ChangeExtension(File.Path, IndexExtension);

    internal static string FileName(long firstOffset) => firstOffset.ToString("D20", CultureInfo.InvariantCulture) + Extension;

    /// <summary>The first offset in a segment file's name; false for any other name.</summary>
    internal static bool TryParseFileName(string name, out long firstOffset)
    {
        firstOffset = 0;
        return name.Length == 20 + Extension.Length
            && name.EndsWith(Extension, StringComparison.Ordinal)
            && long.TryParse(name.AsSpan(0, 20), NumberStyles.None, CultureInfo.InvariantCulture, out firstOffset);
    }

    /// <summary>Takes appends again behind where a walk ended, after everything later was cut.</summary>
    internal void Continue(SegmentScan scan)
    {
        IsSealed = false;
        End = scan.End;
        NextOffset = scan.NextOffset;
        PreparedEnd = scan.End;
        Index = scan.Index;
        FirstTimestamp = scan.FirstTimestamp;
        LastTimestamp = scan.LastTimestamp;
    }

    /// <summary>Gives a prepared file its place in the log, before its header is on disk.</summary>
    internal void Place(SegmentHeader header, uint headerChain)
    {
        Header = header;
        HeaderChain = headerChain;
        NextOffset = header.FirstOffset;
    }
}
