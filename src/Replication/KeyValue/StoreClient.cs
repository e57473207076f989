namespace Tidemark;

/// <summary>A client whose writes happen once, however often they are tried, and who can ask later what became of one.</summary>
/// <remarks>
/// Its writes go through <see cref="Store"/>. On each shard they go one after another: the next is sent when the one before is answered. An id that is not used for
/// <see cref="NamespaceOptions.ClientIdleTimeout"/> expires; its writes are refused then with <see cref="StoreStatus.ClientNotFound"/>, never taken for new.
/// </remarks>
public sealed class StoreClient : IAsyncDisposable
{
    private readonly Func<ValueTask> _forget;

    internal StoreClient(Guid id, KeyValueStore store, Func<ValueTask> forget)
    {
        Id = id;
        Store = store;
        _forget = forget;
    }

    /// <summary>The client's id.</summary>
    public Guid Id { get; }

    /// <summary>The store, whose writes are this client's.</summary>
    public KeyValueStore Store { get; }

    /// <summary>Forgets the client: its id is unknown from then on.</summary>
    public ValueTask DisposeAsync() => _forget();
}
