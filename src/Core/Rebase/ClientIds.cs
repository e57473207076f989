using System.Buffers.Binary;

namespace Tidemark.Core.Rebase;

/// <summary>Makes ids of clients: they begin with the time they were made, by which a server that has forgotten a client tells it from a new one.</summary>
internal static class ClientIds
{
    /// <param name="now">The time here.</param>
    /// <param name="server">The server's, as it was heard last: the later of the two counts, because the server judges by it how old the id is.</param>
    /// <param name="chance">What tells it from others of that time.</param>
    internal static Guid Make(HybridTimestamp now, HybridTimestamp server, ulong chance)
    {
        Span<byte> id = stackalloc byte[16];
        (now > server ? now : server).WriteTo(id);
        BinaryPrimitives.WriteUInt64BigEndian(id[HybridTimestamp.SizeInBytes..], chance);
        return new Guid(id, bigEndian: true);
    }
}
