using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Remote;

/// <summary>Brings what is read of one shard to somebody who keeps it, and asks again while there is no answer.</summary>
/// <remarks>Safe for concurrent calls.</remarks>
internal interface IShardReads
{
    /// <summary>Asks until it is answered, or the time of an operation is over.</summary>
    /// <exception cref="ShardUnavailableException">Nobody could say.</exception>
    Task<TBody> ReadAsync<TBody>(StoreRequest<TBody> request, CancellationToken cancellationToken)
        where TBody : StoreBody;

    /// <summary>Asks for as long as it takes. The first time at once, before it returns.</summary>
    /// <returns>Null where the store is closed before there is an answer.</returns>
    Task<TBody?> WatchAsync<TBody>(StoreRequest<TBody> request, CancellationToken cancellationToken)
        where TBody : StoreBody;
}
