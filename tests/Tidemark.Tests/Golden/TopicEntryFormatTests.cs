using System.Buffers;

using Tidemark.Core.Topics;
using Tidemark.Replication.Shards;

namespace Tidemark.Tests.Golden;

/// <summary>The bytes that docs/format/topic-entries.md and saved-log.md show are the bytes that the code writes.</summary>
public sealed class TopicEntryFormatTests
{
    [Fact]
    public void The_batch_and_the_piece_of_the_format_page_are_what_the_code_writes()
    {
        var batch = new ArrayBufferWriter<byte>();
        var message = new TopicMessage("hi"u8.ToArray())
        {
            Id = new Guid(Enumerable.Range(0, 16).Select(i => (byte)i).ToArray(), bigEndian: true),
            Key = "k",
            ProducedAt = DateTimeOffset.UnixEpoch.AddSeconds(1),
        };
        BatchCodec.Write(batch, new BatchHead(0, null, null, 0, 0, 1), [message], DateTimeOffset.UnixEpoch);
        var piece = new ArrayBufferWriter<byte>();
        piece.Write([LogCut.EntryPiece]);
        LogCut.WriteHead(piece, new LogRecord(1, 0, new HybridTimestamp(0x0006400000000001), (ushort)TopicCommand.Append, batch.WrittenMemory));
        piece.Write(batch.WrittenSpan);

        string page = File.ReadAllText(RepositoryRoot.At("docs", "format", "topic-entries.md"));
        Assert.Equal(Convert.ToHexString(batch.WrittenSpan), Hex(page, "```text\n96 "));
        page = File.ReadAllText(RepositoryRoot.At("docs", "format", "saved-log.md"));
        Assert.Equal(Convert.ToHexString(piece.WrittenSpan), Hex(page, "```text\n02 "));
    }

    /// <summary>The bytes of a block, which begins each line with them and says behind them what they are.</summary>
    private static string Hex(string page, string begin)
    {
        int from = page.IndexOf(begin, StringComparison.Ordinal) + "```text\n".Length;
        string block = page[from..page.IndexOf("```", from, StringComparison.Ordinal)];
        IEnumerable<string> words = block.Split('\n').SelectMany(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries).TakeWhile(word => word.Length % 2 == 0 && word.All(char.IsAsciiHexDigitUpper)));
        return string.Concat(words);
    }
}
