using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace Tidemark.Hosting;

/// <summary>A local store as a service of a host.</summary>
internal sealed class HostedLocalStore(IServiceProvider services, string name, string directory, TidemarkStoreOptions? options) : HostedStore
{
    private volatile TidemarkStore? _store;

    internal override TidemarkStore Store => _store ?? throw NotStarted(NodeParts.TitleOf(name));

    internal override TopicCollection Topics => Store.Topics;

    internal override Task<HealthCheckResult> CheckAsync(HealthStatus failure, CancellationToken cancellationToken)
    {
        if (_store is not { } store) return Task.FromResult(new HealthCheckResult(failure, "The store has not been opened yet."));
        StoreHealth health = store.GetHealth();
        var data = health.Shards.ToDictionary(
            shard => $"shard {shard.Namespace}/{shard.ShardId}", object (shard) => $"applied {shard.AppliedOffset}, waiting {shard.PendingBytes} bytes{(shard.Failure is null ? "" : ", failed")}");
        return Task.FromResult(health.IsHealthy
            ? HealthCheckResult.Healthy("Every shard takes writes.", data)
            : new HealthCheckResult(failure, $"A shard takes no more writes until the store is opened again: {health.Shards.First(shard => shard.Failure is not null).Failure}", data: data));
    }

    protected override async Task OpenAsync(CancellationToken cancellationToken)
    {
        TidemarkStoreOptions settings = options ?? new TidemarkStoreOptions();
        settings = settings with
        {
            LoggerFactory = settings.LoggerFactory ?? services.GetService<ILoggerFactory>(),
            TimeProvider = options?.TimeProvider ?? services.GetService<TimeProvider>() ?? TimeProvider.System,
        };
        _store = await TidemarkStore.OpenAsync(directory, settings, cancellationToken).ConfigureAwait(false);
    }

    protected override async Task CloseAsync()
    {
        if (_store is { } store) await store.DisposeAsync().ConfigureAwait(false);
    }
}
