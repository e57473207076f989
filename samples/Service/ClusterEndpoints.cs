using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Hosting;

using Tidemark;

namespace Service;

/// <summary>What happens in the cluster: /watch, /cluster, /health, and a page that shows it.</summary>
internal static class ClusterEndpoints
{
    internal static void MapCluster(this IEndpointRouteBuilder app)
    {
        app.MapGet("/watch", Watch);
        app.MapGet("/cluster", (TidemarkNode node, ServiceSettings settings) => Describe(node.Describe(), settings));
        app.MapHealthChecks("/health");
        app.MapGet("/", () => Results.Stream(typeof(ClusterEndpoints).Assembly.GetManifestResourceStream("page.html")!, "text/html; charset=utf-8"));
    }

    /// <summary>Changes of keys that begin with the prefix. Each event's id is where to go on: a browser that reconnects sends it as Last-Event-ID, and misses nothing.</summary>
    private static ServerSentEventsResult<Change> Watch(HttpContext http, KeyValueStore store, IHostApplicationLifetime lifetime)
    {
        WatchToken? after = null;
        if (http.Request.Headers["Last-Event-ID"] is [{ Length: > 0 } text] && !WatchToken.TryParse(text, null, out after)) throw new BadHttpRequestException("Last-Event-ID is none of ours.");
        var options = new WatchOptions { IncludeValues = true, ResumeAfter = after };
        // It begins here, before the answer does: what is written once "open" has been seen is told.
        IAsyncEnumerable<StoreEvent> events = store.WatchAsync(KeyRange.Prefix((string?)http.Request.Query["prefix"] ?? ""), options, http.RequestAborted);
        return TypedResults.ServerSentEvents(TellAsync(events, lifetime.ApplicationStopping, http.RequestAborted));
    }

    private static async IAsyncEnumerable<SseItem<Change>> TellAsync(IAsyncEnumerable<StoreEvent> events, CancellationToken stopping, [EnumeratorCancellation] CancellationToken cancellation)
    {
        yield return new SseItem<Change>(new Change("", 0, null), "open");
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping, cancellation);
        await using IAsyncEnumerator<StoreEvent> source = events.GetAsyncEnumerator(either.Token);
        while (await MoveNextAsync(source, stopping))
        {
            StoreEvent one = source.Current;
            yield return new SseItem<Change>(new Change($"{one.Key}", one.Version, one.Record?.Value), $"{one.Kind}".ToLowerInvariant()) { EventId = $"{one.Token}" };
        }
    }

    private static async ValueTask<bool> MoveNextAsync(IAsyncEnumerator<StoreEvent> source, CancellationToken stopping)
    {
        try
        {
            return await source.MoveNextAsync();
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return false;   // The service stops: the answer ends, and the client reconnects elsewhere.
        }
    }

    private static object Describe(NodeDescription found, ServiceSettings settings) => new
    {
        node = settings.Name,
        running = found.IsRunning,
        nodes = found.Nodes.Select(node => new { node = settings.NameOf(node.Node), zone = node.Zone, keeps = node.Keeps, up = node.IsUp }),
        shards = found.Shards.Select(shard => new
        {
            shard = shard.ShardId,
            leader = shard.Leader >= 0 ? settings.NameOf(shard.Leader) : null,
            term = shard.Term,
            members = shard.Members.Select(settings.NameOf),
            role = shard.Replica?.Role.ToString().ToLowerInvariant(),
            head = shard.Replica?.Head,
            committed = shard.Replica?.Committed,
            applied = shard.Replica?.Applied,
            lost = shard.Replica?.IsLost,
        }),
    };

    private sealed record Change(string Key, long Version, ReadOnlyMemory<byte>? Value);
}
