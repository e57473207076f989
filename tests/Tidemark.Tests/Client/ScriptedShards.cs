using Tidemark.Core.KeyValue;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Remote;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Wire;

namespace Tidemark.Tests.Client;

/// <summary>Shards that answer as a test has it, and remember what they were asked.</summary>
internal sealed class ScriptedShards : IShardReads
{
    private readonly Queue<(long Shard, StoreBody Answer)> _watched = new();

    /// <summary>What a shard answers to a read.</summary>
    internal Func<StoreRequest, StoreBody> Answer { get; set; } = static _ => throw new NotSupportedException();

    internal List<StoreRequest> Asked { get; } = [];

    /// <summary>Until then no read is answered.</summary>
    internal Task Gate { get; set; } = Task.CompletedTask;

    /// <summary>Whether watches end.</summary>
    internal bool IsClosed { get; set; }

    /// <summary>What a watch is told next, in this order; then it waits.</summary>
    internal void Tell(long shard, StoreBody events) => _watched.Enqueue((shard, events));

    internal ScriptedStore Store(int shards, KeyOrder? order = null) => new(this, shards, order ?? KeyOrder.Hierarchical);

    public async Task<TBody> ReadAsync<TBody>(StoreRequest<TBody> request, CancellationToken cancellationToken)
        where TBody : StoreBody
    {
        lock (Asked) Asked.Add(request);
        await Gate.WaitAsync(cancellationToken);
        return (TBody)Answer(request);
    }

    public async Task<TBody?> WatchAsync<TBody>(StoreRequest<TBody> request, CancellationToken cancellationToken)
        where TBody : StoreBody
    {
        if (request is ScanRequest) return (TBody)Answer(request);
        lock (Asked) Asked.Add(request);
        while (!IsClosed)
        {
            lock (_watched)
            {
                if (_watched.Count > 0 && _watched.Peek().Shard == request.Shard) return (TBody)_watched.Dequeue().Answer;
            }

            await Task.Delay(1, cancellationToken);
        }

        return null;
    }
}

/// <summary>A store over scripted shards, which only reads.</summary>
internal sealed class ScriptedStore(ScriptedShards shards, int count, KeyOrder order) : RemoteKeyValueStore<ScriptedShard>(
    new StoreNamespace<ScriptedShard>("default", new NamespaceOptions { KeyOrder = order }, HashRangeRouter.CreateEven(count), [.. Enumerable.Range(0, count).Select(id => new ScriptedShard(id))], TimeProvider.System, () => default),
    shards, null)
{
    public override bool TryGet(StoreKey key, out StoreRecord record) => throw new NotSupportedException();

    protected override KeyValueStore With(ClientWrites numbered) => throw new NotSupportedException();
}

internal sealed class ScriptedShard(long id) : StoreShard(new ProposalPool())
{
    internal override long Id => id;

    internal override bool IsReplicated => true;

    protected override Type Owner => typeof(ScriptedShards);

    internal override Task<bool> KeepAliveAsync(Guid session) => throw new NotSupportedException();

    protected override void Send(Proposal proposal) => throw new NotSupportedException();
}
