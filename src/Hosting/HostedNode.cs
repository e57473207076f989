using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Tidemark.Hosting;

/// <summary>A node as a service of a host.</summary>
internal sealed class HostedNode(IServiceProvider services, NodeParts parts, IOptionsMonitor<TidemarkHostOptions> options) : HostedStore
{
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan _freshness = TimeSpan.FromSeconds(1);

    private readonly ILogger _logger = services.GetService<ILoggerFactory>()?.CreateLogger("Tidemark.Hosting") ?? (ILogger)NullLogger.Instance;
    private readonly TimeProvider _time = services.GetService<TimeProvider>() ?? TimeProvider.System;
    private IClusterStatusStore? _status;
    private volatile TidemarkNode? _node;

    internal override KeyValueStore Store => Node.Store;

    internal override TopicCollection Topics => Node.Topics;

    /// <exception cref="InvalidOperationException">The host has not started it yet.</exception>
    internal TidemarkNode Node => _node ?? throw NotStarted(parts.Title);

    /// <summary>Every shard is asked for a read of nothing: whether its leader answers tells whether it is there, better than what was last known of it.</summary>
    internal override async Task<HealthCheckResult> CheckAsync(HealthStatus failure, CancellationToken cancellationToken)
    {
        if (_node is not { } node) return new HealthCheckResult(failure, "The node has not started yet.");
        Exception? refusal = null;
        try
        {
            await node.Store.ScanPageAsync(KeyRange.Between("a", "a"), new ScanOptions { Limit = 1, Level = ReadLevel.Bounded(_freshness) }, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TidemarkException or ObjectDisposedException or OperationCanceledException)
        {
            refusal = e;
        }

        NodeDescription found = node.Describe();
        var data = new Dictionary<string, object> { ["node"] = found.Node, ["running"] = found.IsRunning };
        foreach (ShardOverview shard in found.Shards)
        {
            string replica = shard.Replica is { } here ? $"{here.Role}{(here.IsLost ? ", being rebuilt" : "")}, applied {here.Applied}, committed {here.Committed}, head {here.Head}" : "no replica";
            data[$"shard {shard.ShardId}"] = $"leader {shard.Leader}, term {shard.Term}; {replica}";
        }

        if (!found.IsRunning) return new HealthCheckResult(failure, "The node's replicas are being opened again, or the node has ended.", refusal, data);
        if (refusal is not null) return new HealthCheckResult(failure, "Not every shard has a leader that answers in time. Are most of the nodes up, and do they reach each other?", refusal, data);
        return found.Shards.Any(shard => shard.Replica is { IsLost: true })
            ? HealthCheckResult.Degraded("A replica here is being rebuilt. Until then the others alone keep what it lost.", data: data)
            : HealthCheckResult.Healthy("Every shard has a leader that answers.", data);
    }

    protected override async Task OpenAsync(CancellationToken cancellationToken)
    {
        _status = parts.CreateStatus(services);
        TidemarkNodeOptions settings = parts.ToNodeOptions(services, _status);
        TimeSpan patience = options.Get(parts.Name).StartTimeout;
        long start = _time.GetTimestamp();
        while (_node is null)
        {
            try
            {
                _node = await TidemarkNode.StartAsync(settings, cancellationToken).ConfigureAwait(false);
                HostingMessages.Started(_logger, settings.Node);
            }
            catch (Exception e) when ((e is IOException || e is TidemarkException { IsTransient: true }) && _time.GetElapsedTime(start) < patience)
            {
                HostingMessages.NotStarted(_logger, settings.Node, e);
                await Task.Delay(_pause, _time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    protected override async Task CloseAsync()
    {
        if (_node is { } node)
        {
            await node.DisposeAsync().ConfigureAwait(false);
            HostingMessages.Ended(_logger, node.Node);
        }

        if (_status is IAsyncDisposable status) await status.DisposeAsync().ConfigureAwait(false);
        else (_status as IDisposable)?.Dispose();
    }
}
