using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

using Tidemark.Replication.Client;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Wire;

namespace Tidemark;

/// <summary>The store of a cluster, for a process that is no member: <c>await using var client = await TidemarkClient.ConnectAsync(["10.0.0.1:7001", "10.0.0.2:7001"]);</c></summary>
/// <remarks>
/// It keeps nothing of the store: each operation goes to a member, which does it or asks whoever leads. Where one does not answer, the next is asked; watches go on there without gap or repeat,
/// sessions live on, and a registered client's writes happen once. Safe for concurrent calls. docs/cluster.md.
/// </remarks>
public sealed class TidemarkClient : IAsyncDisposable
{
    private readonly MemberCalls _calls;
    private readonly StoreNamespace<RemoteShard> _namespace;
    private readonly ClientTopics _topics;

    private TidemarkClient(MemberCalls calls, StoreNamespace<RemoteShard> space, KeyValueStore store, ClientTopics topics) => (_calls, _namespace, Store, _topics) = (calls, space, store, topics);

    /// <summary>The cluster's default namespace. Its <see cref="KeyValueStore.TryGet"/> throws <see cref="NotSupportedException"/>: there is nothing here to look at.</summary>
    public KeyValueStore Store { get; }

    /// <summary>The cluster's topics. What others create or change is known here a moment later.</summary>
    public TopicCollection Topics => _topics;

    /// <summary>Connects to members that are known by their addresses, in plain. For certificates or tokens see <see cref="TidemarkClientOptions.OfAddresses"/>.</summary>
    /// <param name="addresses">One or more members, each as host:port. Better all of them: who is not named is not asked.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <inheritdoc cref="ConnectAsync(TidemarkClientOptions, CancellationToken)" path="/exception"/>
    public static Task<TidemarkClient> ConnectAsync(IReadOnlyList<string> addresses, CancellationToken cancellationToken = default) =>
        ConnectAsync(TidemarkClientOptions.OfAddresses(addresses), cancellationToken);

    /// <summary>Connects to a cluster.</summary>
    /// <param name="options">The settings.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <exception cref="ShardUnavailableException">No member answered.</exception>
    /// <exception cref="LimitExceededException">The transport's messages are too short for the namespace's batches.</exception>
    public static async Task<TidemarkClient> ConnectAsync(TidemarkClientOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        options = options with { Members = [.. options.Members] };
        ITransport transport = options.CreateTransport();
        var calls = new MemberCalls(options, transport, options.LoggerFactory?.CreateLogger("Tidemark.Client") ?? (ILogger)NullLogger.Instance);
        try
        {
            await transport.StartAsync(calls.Receive, cancellationToken).ConfigureAwait(false);
            StoreDescriptionBody found = await calls.ReadAsync(new DescribeRequest(), cancellationToken).ConfigureAwait(false);
            NamespaceOptions settings = found.Settings.ToOptions(found.Shards.Count);
            int most = settings.MaxBatchBytes + NamespaceOptions.CommandRoom;
            if (transport.MaxMessageBytes < most) throw new LimitExceededException("message that the namespace's batches need", most, transport.MaxMessageBytes, nameof(ITransport.MaxMessageBytes));
            calls.Cluster = found.Cluster;
            var proposals = new ProposalPool();
            RemoteShard[] shards = [.. found.Shards.Select(shard => new RemoteShard(shard.ShardId, calls, proposals))];
            var space = new StoreNamespace<RemoteShard>(found.Name, settings, RouterOf(found), shards, options.TimeProvider, TidemarkNodeOptions.NewId);
            var store = new ClientKeyValueStore(space, calls);
            return new TidemarkClient(calls, space, store, await ClientTopics.OpenAsync(calls, store, proposals, options, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            await calls.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Ends the connections. Later calls of <see cref="Store"/> throw <see cref="ObjectDisposedException"/>; sessions that were not disposed end by their timeouts.</summary>
    public ValueTask DisposeAsync()
    {
        foreach (RemoteShard shard in _namespace.Shards) shard.Close();
        _topics.Close();
        return _calls.DisposeAsync();
    }

    private static HashRangeRouter RouterOf(StoreDescriptionBody found)
    {
        try
        {
            return new HashRangeRouter(found.Shards);
        }
        catch (ArgumentException e)
        {
            throw new MalformedDataException(0, $"the description of the namespace is none: {e.Message}");
        }
    }
}
