using Tidemark.Replication.Wire;

namespace Tidemark.Tests.Golden;

/// <summary>The bytes that docs/format/client.md shows are the bytes that the code writes.</summary>
public sealed class ClientFormatTests
{
    [Fact]
    public void The_request_of_the_format_page_is_what_the_code_writes() => AssertInPage(StoreRequestCodec.Write(
        7, new Guid("00112233-4455-6677-8899-aabbccddeeff"), TimeSpan.FromSeconds(1.5), new GetRequest(0, null, "/a")));

    [Fact]
    public void The_answer_of_the_format_page_is_what_the_code_writes() =>
        AssertInPage(StoreAnswerCodec.Write(7, new StoreAnswer(RequestOutcome.Done, -1, "", new PageBody([], null, null))));

    private static void AssertInPage(ReadOnlyMemory<byte> bytes)
    {
        string page = File.ReadAllText(RepositoryRoot.At("docs", "format", "client.md"));
        string text = string.Join('\n', bytes.ToArray().Chunk(16).Select(line => Convert.ToHexStringLower(line)));
        Assert.True(page.Contains(text, StringComparison.Ordinal), $"docs/format/client.md does not show these bytes:\n{text}");
    }
}
