namespace Tidemark.Replication.Transport.Tcp;

/// <summary>A node that is dialed: the connection to it, if there is one, and the attempts to get one while there is something for it.</summary>
internal sealed class Peer(TransportScope scope, int node, Action<int, ReadOnlyMemory<byte>> receive)
{
    // Only a caller is answered over what it dialed.
    private readonly Sender? _answers = scope.Options.IsCaller ? new Sender(node, receive, scope.Logger) : null;

    private volatile Link? _link;
    private volatile bool _isWanted;
    private int _isRunning;
    private TimeSpan _delay = scope.Options.MinRedialDelay;
    private DialFailure? _lastFailure;

    internal Link? Link => _link;

    internal SendResult TrySend(ReadOnlySpan<byte> message)
    {
        SendResult result = _link?.TrySend(FrameKind.Message, message) ?? SendResult.Closed;
        if (result == SendResult.Closed) Want();
        return result;
    }

    private void Want()
    {
        _isWanted = true;
        if (!scope.Stopping.IsCancellationRequested && Interlocked.CompareExchange(ref _isRunning, 1, 0) == 0) scope.Loops.Run(RunAsync);
    }

    /// <summary>Dials and redials as long as something is wanted between two attempts.</summary>
    private async Task RunAsync()
    {
        try
        {
            while (_isWanted && !scope.Stopping.IsCancellationRequested)
            {
                _isWanted = false;
                if (scope.Options.AddressOf(node) is not { } address) break;
                (Link? link, DialFailure? failure) = await Dialer.DialAsync(scope, node, address).ConfigureAwait(false);
                if (link is not null) await UseAsync(link).ConfigureAwait(false);
                else if (failure is not null) Tell(failure, address);
                await WaitAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            _isRunning = 0;
            if (_isWanted && scope.Options.AddressOf(node) is not null) Want();   // Came between the last look and here.
        }
    }

    private async Task UseAsync(Link link)
    {
        long begin = scope.Options.TimeProvider.GetTimestamp();
        _lastFailure = null;
        _answers?.Join(link);
        _link = link;
        TransportMetrics.Opened(isInbound: false);
        TransportMessages.Connected(scope.Logger, link.Peer, link.EndPoint);
        await link.ReceiveAsync(_answers is null ? null : _answers.Deliver, scope.Options.MaxMessageBytes).ConfigureAwait(false);
        _link = null;
        TransportMetrics.NoLongerOpen(isInbound: false);
        scope.Tell(link);
        scope.Remove(link);

        // One that is accepted and then closed at once, again and again, is not dialed faster than one that is refused.
        if (scope.Options.TimeProvider.GetElapsedTime(begin) >= scope.Options.MaxRedialDelay) _delay = scope.Options.MinRedialDelay;
    }

    private async Task WaitAsync()
    {
        double part;
        lock (scope.Options.Chance) part = 0.5 + (0.5 * scope.Options.Chance.NextDouble());
        TimeSpan wait = _delay * part;
        _delay = TimeSpan.FromTicks(Math.Min(2 * _delay.Ticks, scope.Options.MaxRedialDelay.Ticks));
        try
        {
            await Task.Delay(wait, scope.Options.TimeProvider, scope.Stopping).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The transport ends.
        }
    }

    /// <summary>Says why it is not connected, where that is news.</summary>
    private void Tell(DialFailure failure, string address)
    {
        if (failure.Refusal != Refusal.None) TransportMetrics.Refused(failure.Refusal);
        if (failure == _lastFailure || scope.Stopping.IsCancellationRequested) return;
        _lastFailure = failure;
        if (failure.Refusal != Refusal.None) TransportMessages.RefusedByPeer(scope.Logger, node, address, failure.Refusal, failure.Text);
        else TransportMessages.DialFailed(scope.Logger, node, address, failure.Text);
    }
}
