using Tidemark.Storage.Catalog;
using Tidemark.Storage.Log;

namespace Tidemark.Tests.Golden;

/// <summary>The bytes that docs/format/catalog.md shows are the bytes that the code writes.</summary>
public sealed class CatalogFormatTests
{
    [Fact]
    public void The_file_of_the_format_page_is_what_the_code_writes()
    {
        byte[] bytes = CatalogFile.Encode(CatalogHarness.Example());
        string page = File.ReadAllText(RepositoryRoot.At("docs", "format", "catalog.md"));
        string text = string.Join('\n', bytes.Chunk(16).Select(line => Convert.ToHexStringLower(line)));
        Assert.True(page.Contains(text, StringComparison.Ordinal), $"docs/format/catalog.md does not show these bytes:\n{text}");
        Assert.Contains($"{bytes.Length} bytes", page, StringComparison.Ordinal);
    }

    [Fact]
    public void A_catalog_of_a_later_version_or_a_stranger_is_refused_by_name_and_stays_as_it_is()
    {
        foreach ((int at, string name) in ((int, string)[])[(0, "a catalog header"), (8, "version 2"), (10, "checksum algorithm 2")])
        {
            var disk = new MemoryFileSystem();
            disk.CreateDirectory(CatalogHarness.Place);
            byte[] bytes = CatalogFile.Encode(CatalogHarness.Example());
            bytes[at]++;
            FileStamp.Seal(bytes.AsSpan(0, CatalogFile.HeaderSize));
            SnapshotHarness.PutFile(disk, CatalogHarness.FilePath, bytes);
            var refused = Assert.Throws<FormatMismatchException>(() => CatalogFile.TryOpen(disk, CatalogHarness.Place));
            Assert.Contains(name, refused.Message, StringComparison.Ordinal);
            Assert.Equal(bytes, SnapshotHarness.ReadFile(disk, CatalogHarness.FilePath));
        }
    }
}
