using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Tidemark.Replication.Transport.Tcp;

/// <summary>A host and a port, as "host:port"; an IPv6 address stands in brackets.</summary>
internal readonly record struct HostAddress(string Host, int Port)
{
    /// <summary>Where to connect: an address, or a name that is resolved when it is connected to.</summary>
    internal EndPoint EndPoint => IPAddress.TryParse(Host, out IPAddress? address) ? new IPEndPoint(address, Port) : new DnsEndPoint(Host, Port);

    internal static bool TryParse(string text, out HostAddress address)
    {
        address = default;
        int colon = text.LastIndexOf(':');
        if (colon <= 0 || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int port) || port is < 1 or > IPEndPoint.MaxPort) return false;
        string host = text[..colon];
        if (host is ['[', .. string inner, ']'])
        {
            if (!IPAddress.TryParse(inner, out IPAddress? found) || found.AddressFamily != AddressFamily.InterNetworkV6) return false;
            host = inner;
        }
        else if (host.Contains(':', StringComparison.Ordinal) || Uri.CheckHostName(host) is not (UriHostNameType.Dns or UriHostNameType.IPv4))
        {
            return false;
        }

        address = new HostAddress(host, port);
        return true;
    }
}
