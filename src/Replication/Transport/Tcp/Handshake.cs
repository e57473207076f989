using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

using Tidemark.Core.Replication;

namespace Tidemark.Replication.Transport.Tcp;

/// <summary>Why a connection was refused.</summary>
internal enum Refusal : byte
{
    None = 0,
    WrongCluster = 1,
    WrongNode = 2,
    WrongVersion = 3,
    NotAuthorized = 4,
}

/// <summary>What who dials says first: who it is, or <see cref="Handshake.Caller"/>; whom it believes it has dialed, or <see cref="Handshake.AnyMember"/>; where it can be reached itself.</summary>
internal sealed record Hello(ProtocolVersions Versions, Guid Cluster, int Node, int Dialed, ReadOnlyMemory<byte> Token, string Address);

/// <summary>What who was dialed says to it.</summary>
internal sealed record Answer(Refusal Refusal, ushort Version, int Node, string Text);

/// <summary>The payloads of hello and answer. Format: docs/format/transport.md.</summary>
/// <remarks>Bytes behind the known fields are a later version's, and are passed over.</remarks>
internal static class Handshake
{
    internal const int Caller = -1;
    internal const int AnyMember = -1;   // A caller that knows only addresses.
    internal const int MaxPayloadBytes = 8 * 1024;
    internal const int MaxTokenBytes = 4096;
    internal const int MaxTextBytes = 256;

    private const int ClusterAt = 4;
    private const int NodeAt = 20;
    private const int DialedAt = 24;
    private const int TokenAt = 28;
    private const int AnswerTextAt = 7;

    internal static byte[] Write(Hello hello)
    {
        byte[] address = Encoding.UTF8.GetBytes(hello.Address);
        byte[] bytes = new byte[TokenAt + 2 + hello.Token.Length + 2 + address.Length];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)hello.Versions.Lowest);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2), (ushort)hello.Versions.Highest);
        hello.Cluster.TryWriteBytes(bytes.AsSpan(ClusterAt), bigEndian: true, out _);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(NodeAt), hello.Node);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(DialedAt), hello.Dialed);
        WriteBlock(WriteBlock(bytes.AsSpan(TokenAt), hello.Token.Span), address);
        return bytes;
    }

    internal static byte[] Write(Answer answer)
    {
        byte[] text = Encoding.UTF8.GetBytes(answer.Text);
        if (text.Length > MaxTextBytes) text = Encoding.UTF8.GetBytes(Shortened(answer.Text));
        byte[] bytes = new byte[AnswerTextAt + 2 + text.Length];
        bytes[0] = (byte)answer.Refusal;
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(1), answer.Version);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(3), answer.Node);
        WriteBlock(bytes.AsSpan(AnswerTextAt), text);
        return bytes;
    }

    /// <summary>Reads a hello. The token is a copy.</summary>
    /// <returns>Null where it is malformed.</returns>
    internal static Hello? ReadHello(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < TokenAt) return null;
        var versions = new ProtocolVersions(BinaryPrimitives.ReadUInt16LittleEndian(bytes), BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]));
        int node = BinaryPrimitives.ReadInt32LittleEndian(bytes[NodeAt..]);
        int dialed = BinaryPrimitives.ReadInt32LittleEndian(bytes[DialedAt..]);
        ReadOnlySpan<byte> rest = bytes[TokenAt..];
        bool isWhole = TryReadBlock(ref rest, MaxTokenBytes, out ReadOnlySpan<byte> token) & TryReadBlock(ref rest, MaxTextBytes, out ReadOnlySpan<byte> address);
        if (!isWhole || versions.Lowest > versions.Highest || node < Caller || dialed < (node == Caller ? AnyMember : 0) || !Utf8.IsValid(address)) return null;
        return new Hello(versions, new Guid(bytes.Slice(ClusterAt, 16), bigEndian: true), node, dialed, token.ToArray(), Encoding.UTF8.GetString(address));
    }

    /// <summary>Reads an answer.</summary>
    /// <returns>Null where it is malformed.</returns>
    internal static Answer? ReadAnswer(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < AnswerTextAt) return null;
        ReadOnlySpan<byte> rest = bytes[AnswerTextAt..];
        if (!TryReadBlock(ref rest, MaxTextBytes, out ReadOnlySpan<byte> text) || !Utf8.IsValid(text)) return null;
        return new Answer((Refusal)bytes[0], BinaryPrimitives.ReadUInt16LittleEndian(bytes[1..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[3..]), Encoding.UTF8.GetString(text));
    }

    private static Span<byte> WriteBlock(Span<byte> target, ReadOnlySpan<byte> block)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(target, (ushort)block.Length);
        block.CopyTo(target[2..]);
        return target[(2 + block.Length)..];
    }

    private static bool TryReadBlock(ref ReadOnlySpan<byte> rest, int maxBytes, out ReadOnlySpan<byte> block)
    {
        block = default;
        if (rest.Length < 2) return false;
        int length = BinaryPrimitives.ReadUInt16LittleEndian(rest);
        if (length > maxBytes || rest.Length - 2 < length) return false;
        block = rest.Slice(2, length);
        rest = rest[(2 + length)..];
        return true;
    }

    /// <summary>As much of a text as fits, cut between characters.</summary>
    private static string Shortened(string text)
    {
        int end = Math.Min(text.Length, MaxTextBytes);
        while (Encoding.UTF8.GetByteCount(text.AsSpan(0, end)) > MaxTextBytes || char.IsHighSurrogate(text[end - 1])) end--;
        return text[..end];
    }
}
