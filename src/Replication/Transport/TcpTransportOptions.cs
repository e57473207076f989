using System.Net;
using System.Security.Claims;
using System.Security.Cryptography.X509Certificates;
using System.Text;

using Microsoft.Extensions.Logging;

using Tidemark.Core.Replication;
using Tidemark.Replication.Transport.Tcp;

namespace Tidemark;

/// <summary>The settings of a <see cref="TcpTransport"/>. Checked and frozen when it is made.</summary>
public sealed record TcpTransportOptions
{
    /// <summary>The cluster's id. Who names another is refused. A caller that knows only addresses gives all zeros: then it is let in whatever cluster it is, and numbers are its own names for addresses.</summary>
    public required Guid ClusterId { get; init; }

    /// <summary>The own node, 0 or more. Without meaning for a caller.</summary>
    public int Node { get; init; } = -1;

    /// <summary>Whether this process is no member of the cluster: it dials members, is answered over the same connections, and listens nowhere. Default: no.</summary>
    public bool IsCaller { get; init; }

    /// <summary>Where a member listens. Port 0 takes a free one, see <see cref="TcpTransport.LocalEndPoint"/>. Null for a caller.</summary>
    public IPEndPoint? Listen { get; init; }

    /// <summary>Where others can reach this member, as host:port; they are told. At most 256 bytes. Default: empty.</summary>
    public string AdvertisedAddress { get; init; } = "";

    /// <summary>Where a node can be reached, as host:port, an IPv6 address in brackets; null where the node is not known.</summary>
    /// <remarks>Asked again, and the name resolved again, at each attempt to connect. Called on any thread, also on that of a sender; it answers at once.</remarks>
    public required Func<int, string?> AddressOf { get; init; }

    /// <summary>Certificates and what is trusted. Null: everything goes in plain, and who reaches the port can say that it is any node.</summary>
    public TransportTls? Tls { get; init; }

    /// <summary>Allows a member to listen beyond the own machine without <see cref="Tls"/>. Default: no.</summary>
    public bool AllowPlaintext { get; init; }

    /// <summary>With TLS: whether a certificate may speak for a node. Null: every certificate that is trusted may speak for every node.</summary>
    /// <remarks>
    /// Set it where the authority signs certificates for others than nodes too, callers for example: else one of those can pose as a node. Asked in both directions, of who dials as a member and
    /// of who is dialed.
    /// </remarks>
    public Func<X509Certificate2, int, bool>? MemberNames { get; init; }

    /// <summary>Says who a peer that dials is; null refuses it. Default: whoever shakes hands rightly may connect; its principal is made of its certificate's subject, where it has one.</summary>
    /// <remarks>
    /// Called for members and callers, on any thread, after TLS and <see cref="MemberNames"/>. What throws refuses. Compare tokens by <c>CryptographicOperations.FixedTimeEquals</c>.
    /// With TLS a member without a certificate is refused unless this is set.
    /// </remarks>
    public Func<TransportPeer, ClaimsPrincipal?>? Authenticate { get; init; }

    /// <summary>What this side proves itself with to whom it dials, at most 4096 bytes; asked again at each attempt. Without TLS it is sent in plain. Null: nothing.</summary>
    public Func<ReadOnlyMemory<byte>>? Token { get; init; }

    /// <summary>The longest message. Both sides of a connection should have the same. Default 16 MiB, at most 9 bytes less than 1 GiB.</summary>
    public int MaxMessageBytes { get; init; } = 16 * 1024 * 1024;

    /// <summary>How many bytes may wait to be sent on one connection; what would exceed it is not sent. At least a longest message. Default 64 MiB, at most 1 GiB.</summary>
    public int MaxOutboxBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>How many connections that others dialed there may be; further ones are closed at once. Default 1024.</summary>
    public int MaxConnections { get; init; } = 1024;

    /// <summary>How many connections may be shaking hands; beyond it the one that has for longest is closed. Default 128.</summary>
    public int MaxHandshaking { get; init; } = 128;

    /// <summary>How long connecting, TLS and handshake may take together. Default 5 s.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>After how much silence of its own a side says that it lives. Default 1 s.</summary>
    public TimeSpan PingInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>After how much silence of the other side a connection is closed. At least twice <see cref="PingInterval"/>. Default 5 s.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long the other side may take 256 KiB, before the connection is closed. Default 5 s.</summary>
    public TimeSpan WriteTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long it waits before it dials again, at first. Default 20 ms; it doubles up to <see cref="MaxRedialDelay"/>, each time shortened by chance by up to a half.</summary>
    public TimeSpan MinRedialDelay { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>How long it waits before it dials again, at most. Default 1 s.</summary>
    public TimeSpan MaxRedialDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Times deadlines, pings and redials.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Shortens the waits before redials. Used by one thread at a time.</summary>
    public Random Chance { get; init; } = new();

    /// <summary>Where it is told what happens. Null: nowhere.</summary>
    public ILoggerFactory? LoggerFactory { get; init; }

    /// <summary>The versions that are offered to others, and taken from them.</summary>
    internal ProtocolVersions Versions { get; init; } = ProtocolVersions.Own;

    /// <summary>Whether it is a caller that takes whichever member answers at an address.</summary>
    internal bool IsOfAnyCluster => IsCaller && ClusterId == Guid.Empty;

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(AddressOf);
        ArgumentNullException.ThrowIfNull(AdvertisedAddress);
        ArgumentNullException.ThrowIfNull(TimeProvider);
        ArgumentNullException.ThrowIfNull(Chance);
        if (ClusterId == Guid.Empty && !IsCaller) throw new ArgumentException("A cluster's id is not all zeros.", nameof(ClusterId));
        if (IsCaller != (Listen is null)) throw new ArgumentException("A member listens, and a caller does not: set either Listen or IsCaller.", nameof(Listen));
        if (IsOfAnyCluster && MemberNames is not null) throw new ArgumentException("Without the cluster's id the numbers of its members are not known, and cannot be checked.", nameof(MemberNames));
        if (!IsCaller) ArgumentOutOfRangeException.ThrowIfNegative(Node);
        if (Encoding.UTF8.GetByteCount(AdvertisedAddress) > Handshake.MaxTextBytes) throw new ArgumentException($"An address has at most {Handshake.MaxTextBytes} bytes.", nameof(AdvertisedAddress));
        if (Tls is null && Listen is not null && !IPAddress.IsLoopback(Listen.Address) && !AllowPlaintext)
            throw new ArgumentException($"Without TLS everyone who reaches {Listen} can pose as any node. Set Tls, listen to the loopback address, or set AllowPlaintext where the network itself is trusted.", nameof(Tls));
        Tls?.Validate(IsCaller);
        Between(MaxMessageBytes, 1, (1 << 30) - Frame.HeaderBytes, nameof(MaxMessageBytes));
        Between(MaxOutboxBytes, Frame.LengthOf(MaxMessageBytes), 1 << 30, nameof(MaxOutboxBytes));
        Between(MaxConnections, 1, 1 << 20, nameof(MaxConnections));
        Between(MaxHandshaking, 1, 1 << 20, nameof(MaxHandshaking));
        Between(HandshakeTimeout, nameof(HandshakeTimeout));
        Between(PingInterval, nameof(PingInterval));
        Between(WriteTimeout, nameof(WriteTimeout));
        Between(MinRedialDelay, nameof(MinRedialDelay));
        Between(MaxRedialDelay, nameof(MaxRedialDelay));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxRedialDelay, MinRedialDelay);
        Between(IdleTimeout, nameof(IdleTimeout));
        ArgumentOutOfRangeException.ThrowIfLessThan(IdleTimeout, 2 * PingInterval);
    }

    private static void Between(long value, long least, long most, string name)
    {
        if (value < least || value > most) throw new ArgumentOutOfRangeException(name, value, $"{name} must lie between {least} and {most}.");
    }

    private static void Between(TimeSpan value, string name)
    {
        if (value < TimeSpan.FromMilliseconds(1) || value > TimeSpan.FromHours(1)) throw new ArgumentOutOfRangeException(name, value, $"{name} must lie between a millisecond and an hour.");
    }
}
