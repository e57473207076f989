using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Remote;

namespace Tidemark.Replication.Client;

/// <summary>A namespace of which nothing is in this process.</summary>
internal sealed class ClientKeyValueStore(StoreNamespace<RemoteShard> space, IShardReads reads, ClientWrites? client = null) : RemoteKeyValueStore<RemoteShard>(space, reads, client)
{
    public override bool TryGet(StoreKey key, out StoreRecord record) =>
        throw new NotSupportedException("This process holds no records to look at without waiting: use GetAsync.");

    protected override KeyValueStore With(ClientWrites numbered) => new ClientKeyValueStore(Space, Reads, numbered);
}
