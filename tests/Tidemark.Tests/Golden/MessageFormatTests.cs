using System.Buffers;

using Tidemark.Core.Replication;
using Tidemark.Replication.Wire;

namespace Tidemark.Tests.Golden;

/// <summary>The bytes that docs/format/messages.md shows are the bytes that the code writes.</summary>
public sealed class MessageFormatTests
{
    [Fact]
    public void The_append_of_the_format_page_is_what_the_code_writes()
    {
        var entry = new LogRecord(5, 3, new HybridTimestamp(0x0006400000000001), 7, "tide"u8.ToArray());
        var append = new Append(3, new LogHead(2, 4), [new TermRun(3, 5, 6)], 5, 9);
        byte[] bytes = Bytes(new ShardMessage(7, append, [entry], default));
        AssertInPage(bytes);

        ShardMessage read = ShardMessageCodec.Read(bytes);
        Assert.Equal((7L, append with { Entries = [] }), (read.ShardId, ((Append)read.Message) with { Entries = [] }));
        Assert.Equal(append.Entries, ((Append)read.Message).Entries);
        LogRecord found = Assert.Single(read.Entries);
        Assert.Equal((entry.Offset, entry.Term, entry.Timestamp, entry.Kind), (found.Offset, found.Term, found.Timestamp, found.Kind));
        Assert.Equal(entry.Payload.ToArray(), found.Payload.ToArray());
    }

    [Fact]
    public void The_hello_of_the_format_page_is_what_the_code_writes()
    {
        var hello = new Hello(300, 639000000000000000, 638999999999000000, 123456);
        byte[] bytes = Bytes(new ShardMessage(-1, hello));
        AssertInPage(bytes);
        Assert.Equal(hello, ShardMessageCodec.Read(bytes).Message);
    }

    private static byte[] Bytes(in ShardMessage message)
    {
        var output = new ArrayBufferWriter<byte>();
        ShardMessageCodec.Write(output, message);
        return output.WrittenSpan.ToArray();
    }

    private static void AssertInPage(byte[] bytes)
    {
        string page = File.ReadAllText(RepositoryRoot.At("docs", "format", "messages.md"));
        string text = string.Join('\n', bytes.Chunk(16).Select(line => Convert.ToHexStringLower(line)));
        Assert.True(page.Contains(text, StringComparison.Ordinal), $"docs/format/messages.md does not show these bytes:\n{text}");
    }
}
