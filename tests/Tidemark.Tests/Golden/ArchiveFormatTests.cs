using Tidemark.Storage.Archive;
using Tidemark.Storage.Catalog;

namespace Tidemark.Tests.Golden;

/// <summary>The bytes that docs/format/archive.md shows are the bytes that the code writes.</summary>
public sealed class ArchiveFormatTests
{
    [Fact]
    public void The_point_of_the_format_page_is_what_the_code_writes_and_reads()
    {
        var catalog = new StoreCatalog
        {
            StoreId = new Guid("00112233-4455-6677-8899-aabbccddeeff"),
            Created = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero),
            Engine = "memory",
            NextShardId = 1,
            Namespaces = [],
            Topics = [],
        };
        var point = new ArchivePoint(new HybridTimestamp(0x0006400000000001), catalog, new SortedDictionary<long, long> { [0] = 1000 });
        byte[] bytes = point.ToBytes();
        string page = File.ReadAllText(RepositoryRoot.At("docs", "format", "archive.md"));
        int from = page.IndexOf("```text\n", StringComparison.Ordinal) + "```text\n".Length;
        string shown = string.Concat(page[from..page.IndexOf("```", from, StringComparison.Ordinal)].Where(char.IsAsciiHexDigit));
        Assert.Equal(shown, Convert.ToHexStringLower(bytes));
        ArchivePoint read = ArchivePoint.Read("p", bytes);
        Assert.Equal((point.Time, catalog.StoreId, 1000), (read.Time, read.Catalog.StoreId, read.Ends[0]));
        for (int i = 0; i < bytes.Length; i++)
        {
            byte[] flipped = [.. bytes];
            flipped[i] ^= 4;
            Assert.ThrowsAny<TidemarkException>(() => ArchivePoint.Read("p", flipped));
        }
    }
}
