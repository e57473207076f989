using Tidemark.Replication.Transport.Tcp;

namespace Tidemark.Tests.Golden;

/// <summary>The bytes that docs/format/transport.md shows are the bytes that the code writes, and reads.</summary>
public sealed class TransportFormatTests
{
    private static readonly Hello _hello = new(new(1, 1), new Guid("00112233-4455-6677-8899-aabbccddeeff"), 1, 2, "tide"u8.ToArray(), "a:1");

    [Fact]
    public void The_hello_of_the_format_page_is_what_the_code_writes()
    {
        byte[] payload = Handshake.Write(_hello);
        AssertInPage([.. Frame.Magic, .. Frame.ToArray(FrameKind.Hello, payload)]);
        Hello read = Handshake.ReadHello(payload)!;
        Assert.Equal(_hello with { Token = default }, read with { Token = default });
        Assert.Equal(_hello.Token.ToArray(), read.Token.ToArray());
    }

    [Theory]
    [InlineData(Refusal.None, 1, "")]
    [InlineData(Refusal.WrongCluster, 0, "no")]
    public void The_answers_of_the_format_page_are_what_the_code_writes(object refusal, int version, string text)
    {
        var answer = new Answer((Refusal)refusal, (ushort)version, 2, text);
        byte[] payload = Handshake.Write(answer);
        AssertInPage([.. Frame.Magic, .. Frame.ToArray(FrameKind.Answer, payload)]);
        Assert.Equal(answer, Handshake.ReadAnswer(payload));
    }

    [Fact]
    public void The_message_and_ping_of_the_format_page_are_what_the_code_writes() =>
        AssertInPage([.. Frame.ToArray(FrameKind.Message, "tide"u8), .. Frame.ToArray(FrameKind.Ping, default)]);

    private static void AssertInPage(byte[] bytes)
    {
        string page = File.ReadAllText(RepositoryRoot.At("docs", "format", "transport.md"));
        string text = string.Join('\n', bytes.Chunk(16).Select(line => Convert.ToHexStringLower(line)));
        Assert.True(page.Contains($"```text\n{text}\n```", StringComparison.Ordinal), $"docs/format/transport.md does not show these bytes:\n{text}");
    }
}
