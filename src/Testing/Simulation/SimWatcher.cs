using System.Buffers.Binary;

using Tidemark.Core.KeyValue;
using Tidemark.Core.State;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Shards;

namespace Tidemark.Testing.Simulation;

/// <summary>A program that watches records at one node after the other, by the tokens of what it has seen, and checks that it is told exactly what was committed.</summary>
internal sealed class SimWatcher(ClusterSimulation cluster, ShardOracle oracle)
{
    private static readonly EncodedKeyRange _range = KeyOrder.Hierarchical.Encode(KeyRange.Children("/key"));

    private readonly SimWorld _world = cluster.World;
    private Connection? _connection;
    private WatchToken? _token;
    private WatchPlace _place;   // Behind what it was told last.
    private int _told;           // How many of all changes it was told, or was told that they are not kept.

    internal void Start() => _world.After(_world.Between(300, 3000), Connect);

    /// <summary>Nothing has changed for long: all of it was told.</summary>
    internal void CheckEnd() => SimWorld.Require(_connection is not null && _told == oracle.Changes.Count, $"a watch was told {_told} of {oracle.Changes.Count} changes");

    private void Connect()
    {
        int node = _world.Chance.Below(cluster.Nodes.Count);
        if (!Keeps(node) || !cluster.Nodes[node].Drivers.TryGetValue(oracle.ShardId, out SimDriver? driver) || ((KvMachine)driver.Replica.Machine).Settings is null)
        {
            _world.After(_world.Between(20, 200), Connect);
            return;
        }

        _connection = new Connection(node, driver, _range, _token);
        if (_token is null)
        {
            _place = new WatchPlace(_connection.Machine.Table.Published.AppliedOffset, WatchPlace.All);
            _told = oracle.ChangesUpTo(_place.Offset);
        }
        else
        {
            _world.Count("watch resumed");
        }

        Look(_connection);
    }

    private void Look(Connection connection)
    {
        bool isThere = Keeps(connection.Node) && cluster.Nodes[connection.Node].Drivers.TryGetValue(oracle.ShardId, out SimDriver? driver) && driver == connection.Driver;
        bool goesOn = isThere && (cluster.IsOver || _world.Chance.Below(200) > 0);
        if (!goesOn)
        {
            _connection = null;
            _world.After(_world.Between(5, isThere ? 5000 : 100), Connect);
            return;
        }

        while (connection.TryTake() is { } told) Check(connection, told);
        _world.After(_world.Between(5, 60), () => Look(connection));
    }

    /// <summary>Who left the ensemble has a state that stands still.</summary>
    private bool Keeps(int node) => cluster.Store.Status?.Shards[oracle.ShardId].Ensemble.Contains(node) == true;

    private void Check(Connection connection, StoreEvent told)
    {
        WatchPlace place = told.Token.PlaceOf(oracle.ShardId)!.Value;
        if (told.Kind == StoreEventKind.Compacted)
        {
            long kept = connection.Trimmed();
            SimWorld.Require(kept > _place.Offset || (kept == _place.Offset && _place.Seen != WatchPlace.All), $"a watch at {_place} was told that node {connection.Node} keeps nothing up to {kept}");
            SimWorld.Require(place == new WatchPlace(kept, WatchPlace.All), $"a watch goes on at {place}, and what is kept begins behind {kept}");
            _told = Math.Max(_told, oracle.ChangesUpTo(kept));
            _world.Count("watch compacted");
        }
        else
        {
            SimWorld.Require(_told < oracle.Changes.Count, $"a watch at node {connection.Node} was told of {told.Kind} {told.Key} {told.Version} at {place}, which nobody committed");
            KeyChange due = oracle.Changes[_told++];
            SimWorld.Require(
                due == new KeyChange(place.Offset, told.Key.ToString(), told.Kind, told.Version),
                $"a watch at node {connection.Node} was told of {told.Kind} {told.Key} {told.Version} at {place}, and {due} is next behind {_place}");
            _world.Count("watch event");
        }

        _world.Trace(place.Offset);
        (_place, _token) = (place, told.Token);
    }

    /// <summary>A watch of the real kind over the state of one node, until that goes down.</summary>
    private sealed class Connection : IShardRoute
    {
        private readonly IAsyncEnumerator<StoreEvent> _events;
        private Task<bool> _next;
        private TaskCompletionSource _changed = new();   // Continued at once, on the thread of who looks: so every run is the same.

        internal Connection(int node, SimDriver driver, EncodedKeyRange range, WatchToken? token)
        {
            (Node, Driver) = (node, driver);
            _events = new StoreWatch([new LocalShard(this, new ProposalPool())], KeyOrder.Hierarchical, range, new WatchOptions { ResumeAfter = token }).RunAsync(CancellationToken.None).GetAsyncEnumerator();
            _next = _events.MoveNextAsync().AsTask();
        }

        public long ShardId => Driver.Replica.ShardId;

        public bool IsHere => true;

        public KvMachine Machine => (KvMachine)Driver.Replica.Machine;

        public Task Changed => _changed.Task;

        internal int Node { get; }

        internal SimDriver Driver { get; }

        public void Submit(Proposal proposal) => throw new NotSupportedException("It only watches.");

        public ValueTask<long> ReadyToReadAsync(ReadLevel level, CancellationToken cancellationToken) => throw new NotSupportedException("It only watches.");

        /// <summary>It watches from where the node is.</summary>
        public Task<long> WatchFromAsync() => Task.FromResult(Machine.Table.Published.AppliedOffset);

        public Task<bool> KeepAliveAsync(Guid session) => throw new NotSupportedException("It only watches.");

        /// <summary>The next event, if there is one.</summary>
        internal StoreEvent? TryTake()
        {
            if (!_next.IsCompleted)
            {
                TaskCompletionSource changed = _changed;
                _changed = new TaskCompletionSource();
                changed.SetResult();
            }

            if (!_next.IsCompleted) return null;
            SimWorld.Require(_next.GetAwaiter().GetResult(), "a watch came to an end");
            StoreEvent found = _events.Current;
            _next = _events.MoveNextAsync().AsTask();
            return found;
        }

        /// <summary>The last entry whose changes the node does not keep any more, or -1.</summary>
        internal long Trimmed()
        {
            using var reader = StateReader.Open(Machine.Table);
            return reader.TryGet(RowKeys.ChangesTrimmed, out ReadOnlyMemory<byte> mark) ? BinaryPrimitives.ReadInt64BigEndian(mark.Span) : -1;
        }
    }
}
