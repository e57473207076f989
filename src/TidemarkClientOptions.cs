using Microsoft.Extensions.Logging;

namespace Tidemark;

/// <summary>How a <see cref="TidemarkClient"/> reaches a cluster. Checked and frozen when it connects.</summary>
public sealed record TidemarkClientOptions
{
    /// <summary>Makes the transport of a caller, see <see cref="TcpTransportOptions.IsCaller"/>. The client starts and disposes it.</summary>
    public required Func<ITransport> CreateTransport { get; init; }

    /// <summary>The members it may ask, by the numbers that the transport knows them by. Not all need be there: any one can do everything.</summary>
    public required IReadOnlyList<int> Members { get; init; }

    /// <summary>How long an operation is tried that surely did not happen, and how long connecting may take. Default 10 s.</summary>
    public TimeSpan OperationTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a member may take to answer. A read is asked of another then; of a write the outcome is unknown. Default 2 s.</summary>
    public TimeSpan AnswerPatience { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Clock and timers. Default: the system's.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Where to report. Default: nowhere.</summary>
    public ILoggerFactory? LoggerFactory { get; init; }

    /// <summary>Options for members that are known by their addresses alone.</summary>
    /// <param name="addresses">One or more members, each as host:port.</param>
    /// <param name="tls">Certificates and what is trusted; null for plain connections.</param>
    /// <param name="token">What the process proves itself with, where the members ask for a token.</param>
    public static TidemarkClientOptions OfAddresses(IReadOnlyList<string> addresses, TransportTls? tls = null, Func<ReadOnlyMemory<byte>>? token = null)
    {
        ArgumentNullException.ThrowIfNull(addresses);
        string[] known = [.. addresses];
        return new TidemarkClientOptions
        {
            Members = [.. Enumerable.Range(0, known.Length)],
            CreateTransport = () => TcpTransport.Create(new TcpTransportOptions
            {
                ClusterId = Guid.Empty,
                IsCaller = true,
                AddressOf = member => member < known.Length ? known[member] : null,
                Tls = tls,
                Token = token,
            }),
        };
    }

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(CreateTransport);
        ArgumentNullException.ThrowIfNull(Members);
        if (Members.Count == 0) throw new ArgumentException("A client needs a member to ask.", nameof(Members));
        if (Members.Any(member => member < 0)) throw new ArgumentException("Members have numbers of 0 or more.", nameof(Members));
        ArgumentOutOfRangeException.ThrowIfLessThan(OperationTimeout, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(AnswerPatience, TimeSpan.FromMilliseconds(10));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(AnswerPatience, TimeSpan.FromHours(1));
        ArgumentNullException.ThrowIfNull(TimeProvider);
    }
}
