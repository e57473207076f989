using System.Collections.Concurrent;

using Microsoft.Extensions.Logging;

namespace Tidemark.Replication.Transport.Tcp;

/// <summary>What the parts of one transport share: its settings, all its connections, and its end.</summary>
internal sealed class TransportScope : IDisposable
{
    private readonly ConcurrentDictionary<Link, byte> _links = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly FailureLog _failures;

    internal TransportScope(TcpTransportOptions options, ILogger logger)
    {
        (Options, Logger, Loops, Stopping) = (options, logger, new Loops(logger), _stopping.Token);
        _failures = new FailureLog(options.TimeProvider);
    }

    internal TcpTransportOptions Options { get; }

    internal ILogger Logger { get; }

    internal Loops Loops { get; }

    internal CancellationToken Stopping { get; }

    /// <summary>Opens what a new connection needs; one that comes too late is closed at once.</summary>
    internal void Add(Link link)
    {
        _links[link] = 0;
        if (Stopping.IsCancellationRequested) link.Close(DisconnectReason.LocalClosed);
    }

    /// <summary>Says why a connection was closed: aloud where someone should look, and that once.</summary>
    internal void Tell(Link link)
    {
        DisconnectReason reason = link.Reason!.Value;
        bool isUsual = reason is DisconnectReason.RemoteClosed or DisconnectReason.LocalClosed or DisconnectReason.Lost or DisconnectReason.Superseded or DisconnectReason.Refused;
        if (isUsual) TransportMessages.Closed(Logger, link.Peer, link.EndPoint, reason);
        else if (IsNewFailure($"{link.Host} {reason}")) TransportMessages.ClosedForCause(Logger, link.Peer, link.EndPoint, reason, link.Detail);
    }

    /// <summary>Forgets a connection that is closed, and gives back what it holds.</summary>
    internal void Remove(Link link)
    {
        _links.TryRemove(link, out _);
        link.Dispose();
    }

    /// <summary>A deadline for connecting and shaking hands, which also ends when the transport does.</summary>
    internal Deadline NewHandshakeDeadline() => new(Options.HandshakeTimeout, Options.TimeProvider, Stopping);

    /// <summary>Whether what went wrong with a connection is to be told.</summary>
    internal bool IsNewFailure(string failure) => _failures.IsNew(failure);

    internal void Tick(TimeSpan since)
    {
        foreach ((Link link, _) in _links) link.Tick(since, Options);
    }

    internal async Task StopAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        foreach ((Link link, _) in _links) link.Close(DisconnectReason.LocalClosed);
    }

    /// <summary>Once nothing runs any more.</summary>
    public void Dispose() => _stopping.Dispose();
}
