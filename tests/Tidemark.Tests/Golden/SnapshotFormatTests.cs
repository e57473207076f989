using System.Text;
using Tidemark.Storage.Log;
using Tidemark.Storage.Snapshots;

using static Tidemark.Tests.SnapshotHarness;

namespace Tidemark.Tests.Golden;

/// <summary>The bytes that docs/format/snapshot.md shows are the bytes that the code writes.</summary>
public sealed class SnapshotFormatTests
{
    [Fact]
    public void The_file_of_the_format_page_is_what_the_code_writes()
    {
        var disk = new MemoryFileSystem();
        SnapshotInfo info = Write(disk, Example());
        byte[] bytes = ReadFile(disk, $"{Place}/00000000000000001000.snapshot");
        string page = File.ReadAllText(RepositoryRoot.At("docs", "format", "snapshot.md"));
        string text = string.Join('\n', bytes.Chunk(16).Select(line => Convert.ToHexStringLower(line)));
        Assert.True(page.Contains(text, StringComparison.Ordinal), $"docs/format/snapshot.md does not show these bytes:\n{text}");
        Assert.Contains($"{bytes.Length} bytes", page, StringComparison.Ordinal);
        Assert.Equal(bytes.Length, info.FileBytes);
        Assert.Equal(ContentId.Compute(bytes.AsSpan(0, bytes.Length - 44)), info.Digest);
    }

    [Fact]
    public void A_file_of_a_later_version_or_another_algorithm_is_refused_by_name()
    {
        var disk = new MemoryFileSystem();
        Write(disk, Example());
        byte[] whole = ReadFile(disk, PathOf(1000));
        foreach ((int at, string name) in ((int, string)[])[(8, "version 2"), (10, "checksum algorithm 2"), (11, "digest algorithm 3"), (12, "state hash algorithm 2")])
        {
            byte[] bytes = whole.ToArray();
            bytes[at]++;
            FileStamp.Seal(bytes.AsSpan(0, SnapshotHeader.Size));
            PutFile(disk, PathOf(1000), bytes);
            var refused = Assert.Throws<FormatMismatchException>(() => SnapshotReader.Open(disk, PathOf(1000)));
            Assert.Contains(name, refused.Message, StringComparison.Ordinal);
        }
    }

    private static PieceSnapshot Example() => new(999, Encoding.ASCII.GetBytes("tide"), Encoding.ASCII.GetBytes("mark!"));
}
