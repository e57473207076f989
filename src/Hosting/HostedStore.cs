using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace Tidemark.Hosting;

/// <summary>A store as a service of a host: opened before the other services start, closed after all of them have stopped.</summary>
internal abstract class HostedStore : IHostedLifecycleService, IAsyncDisposable, IDisposable
{
    private readonly Lock _gate = new();
    private Task? _opening;
    private Task? _closing;

    /// <exception cref="InvalidOperationException">The host has not started it yet.</exception>
    internal abstract KeyValueStore Store { get; }

    /// <inheritdoc cref="Store"/>
    internal abstract TopicCollection Topics { get; }

    internal abstract Task<HealthCheckResult> CheckAsync(HealthStatus failure, CancellationToken cancellationToken);

    public Task StartingAsync(CancellationToken cancellationToken) => StartAsync(cancellationToken);

    /// <summary>Of a host that knows no stages of its start, the first that is called.</summary>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        lock (_gate) return _opening ??= OpenAsync(cancellationToken);
    }

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>The host's patience is not asked: a node that is not closed hands over nothing, and takes hardly longer.</summary>
    public Task StoppedAsync(CancellationToken cancellationToken)
    {
        lock (_gate) return _closing ??= CloseOnceAsync();
    }

    public ValueTask DisposeAsync() => new(StoppedAsync(CancellationToken.None));

    /// <summary>For containers that are disposed so. After the host has stopped there is nothing left to wait for.</summary>
    public void Dispose() => StoppedAsync(CancellationToken.None).GetAwaiter().GetResult();

    protected abstract Task OpenAsync(CancellationToken cancellationToken);

    protected abstract Task CloseAsync();

    protected static InvalidOperationException NotStarted(string title) => new(
        $"{title} has not been started yet: the host does that when it starts. Use it from then on; in the constructor of a hosted service ask for KeyValueStore, which may be kept before.");

    private async Task CloseOnceAsync()
    {
        if (_opening is not { } opening) return;
        await opening.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // Its failure was the host's to see.
        await CloseAsync().ConfigureAwait(false);
    }
}
