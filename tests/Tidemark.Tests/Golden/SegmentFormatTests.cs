using Tidemark.Storage.Log;

namespace Tidemark.Tests.Golden;

/// <summary>The bytes that docs/format/segment.md shows are the bytes that the code writes.</summary>
public sealed class SegmentFormatTests
{
    private static readonly LogIdentity Identity = new(new Guid("00112233-4455-6677-8899-aabbccddeeff"), 5);

    [Fact]
    public void The_frame_of_the_format_page_is_what_the_code_writes()
    {
        uint seed = FrameHeader.Seed(0x1122334455667788);
        var header = new FrameHeader
        {
            Chain = 0xAABBCCDD,
            Offset = 0,
            Term = 3,
            Timestamp = 0x0006400000000001,
            Kind = 7,
            Type = FrameType.Record,
            Flags = FrameFlags.FlushedBefore,
        };
        byte[] frame = new byte[56];
        uint checksum = FrameHeader.WriteFrame(frame, seed, 80, header, "tide"u8);
        AssertInPage(frame);
        Assert.True(FrameHeader.TryRead(frame, seed, 80, out FrameHeader read));
        Assert.Equal((checksum, 4, 56, 3L, (ushort)7, true, true), (read.Checksum, read.PayloadLength, read.FrameLength, read.Term, read.Kind, read.IsFlushMark, read.EndsBatch));
        Assert.False(FrameHeader.TryRead(frame, seed, 88, out _));
        Assert.False(FrameHeader.TryRead(frame, FrameHeader.Seed(1), 80, out _));
    }

    [Fact]
    public void The_segment_header_of_the_format_page_is_what_the_code_writes()
    {
        var header = new SegmentHeader(Identity, 1000, 0x1122334455667788, 3, 0x0006400000000001, 0xAABBCCDD);
        byte[] bytes = new byte[SegmentHeader.Size];
        uint chain = header.Write(bytes);
        AssertInPage(bytes);
        Assert.Equal(header, SegmentHeader.Read("x", bytes, out uint read));
        Assert.Equal(chain, read);
    }

    [Fact]
    public void The_manifest_of_the_format_page_is_what_the_code_writes()
    {
        var manifest = new Manifest(Identity, 1000, ManifestState.Closed, new LogPoint(2000, 0x1234, 2042));
        byte[] bytes = new byte[Manifest.Size];
        manifest.Write(bytes);
        AssertInPage(bytes);
        Assert.Equal(manifest, Manifest.Read("x", bytes));
    }

    [Fact]
    public void The_index_of_the_format_page_is_what_the_code_writes()
    {
        var index = new SegmentIndex();
        index.Note(1000, 0x0006400000000001, 80);
        byte[] bytes = index.ToBytes(0x1122334455667788, end: 184, lastTimestamp: 0x0006400000000001);
        AssertInPage(bytes);
        Assert.True(SegmentIndex.TryParse(bytes, 0x1122334455667788, out SegmentIndex read, out long end, out _));
        Assert.Equal((184, 1), (end, read.Entries.Length));
        Assert.False(SegmentIndex.TryParse(bytes, 1, out _, out _, out _));
    }

    [Fact]
    public void A_header_of_a_later_version_is_refused_by_name_and_a_damaged_one_as_damage()
    {
        byte[] bytes = new byte[SegmentHeader.Size];
        new SegmentHeader(Identity, 0, 1, 0, 0, 0).Write(bytes);
        bytes[8] = 2;
        Assert.Throws<CorruptDataException>(() => SegmentHeader.Read("x", bytes, out _));
        FileStamp.Seal(bytes);
        var refused = Assert.Throws<FormatMismatchException>(() => SegmentHeader.Read("x", bytes, out _));
        Assert.Contains("version 2", refused.Message, StringComparison.Ordinal);
        Assert.Throws<CorruptDataException>(() => SegmentHeader.Read("x", bytes.AsSpan(0, 79), out _));
    }

    private static void AssertInPage(byte[] bytes)
    {
        string page = File.ReadAllText(RepositoryRoot.At("docs", "format", "segment.md"));
        string text = string.Join('\n', bytes.Chunk(16).Select(line => Convert.ToHexStringLower(line)));
        Assert.True(page.Contains(text, StringComparison.Ordinal), $"docs/format/segment.md does not show these bytes:\n{text}");
    }
}
