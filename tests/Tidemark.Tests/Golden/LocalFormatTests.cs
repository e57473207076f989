using Tidemark.Core.Rebase;

namespace Tidemark.Tests.Golden;

/// <summary>The bytes that docs/format/local-state.md shows are the bytes that the code writes.</summary>
public sealed class LocalFormatTests
{
    private static readonly Guid _client = new("00112233-4455-6677-8899-aabbccddeeff");

    [Fact]
    public void The_call_of_the_format_page_is_what_the_code_writes() => AssertInPage(LocalCommands.Call("add", 1, new HybridTimestamp(4096), "hi"u8.ToArray()));

    [Fact]
    public void The_row_of_the_format_page_is_what_the_code_writes()
    {
        var mutation = new TimelineEntry(1, "add", 1, new HybridTimestamp(4096), "hi"u8.ToArray());
        AssertInPage(LocalRows.WriteTimeline(mutation.LinkAfter(default), mutation));
    }

    [Fact]
    public void The_fields_of_the_format_page_are_what_the_code_writes()
    {
        var fields = new LocalFields
        {
            Order = KeyOrder.Hierarchical,
            Client = _client,
            IsPushed = true,
            Position = new SyncPosition(_client, 7, new StateHash(1, 2, 3)),
            Timestamp = new HybridTimestamp(4096),
            Content = new StateHash(1, 2, 3),
            Download = null,
            First = 5,
            Next = 6,
            DownloadsSinceDivergence = 4,
        };
        AssertInPage(fields.ToBytes());
    }

    private static void AssertInPage(ReadOnlySpan<byte> bytes)
    {
        string page = File.ReadAllText(RepositoryRoot.At("docs", "format", "local-state.md"));
        string text = string.Join('\n', bytes.ToArray().Chunk(16).Select(line => Convert.ToHexStringLower(line)));
        Assert.True(page.Contains(text, StringComparison.Ordinal), $"docs/format/local-state.md does not show these bytes:\n{text}");
    }
}
