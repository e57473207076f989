using Tidemark.Core.KeyValue;
using Tidemark.Core.State;

namespace Tidemark.Testing.Simulation.Topics;

/// <summary>The store as a program outside the cluster reaches it: what claims of partitions use of it.</summary>
internal sealed class SimStore(ClusterSimulation cluster, ShardOracle oracle, int guess) : KeyValueStore
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(6);

    private readonly SimCaller _caller = new(cluster, oracle, guess);

    public override string Name => "default";

    public override NamespaceOptions Settings { get; } = new();

    public override async ValueTask<StoreRecord?> GetAsync(StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default)
    {
        var answer = new TaskCompletionSource<StoreRecord?>();
        _caller.Ask<Found>(
            _caller.Begin(_patience, Unknown),
            (node, told) => Ask(node, key, told),
            (call, found) =>
            {
                call.IsOver = true;
                answer.SetResult(found.Record);
            },
            static _ => true,
            Unknown);
        return await answer.Task.ConfigureAwait(false);

        void Unknown(SimCall call)
        {
            call.IsOver = true;
            answer.SetException(new ShardUnavailableException(oracle.ShardId, "Nobody answered."));
        }
    }

    public override async ValueTask<TransactionResult> CommitAsync(StoreTransaction transaction, CancellationToken cancellationToken = default)
    {
        var answer = new TaskCompletionSource<TransactionResult>();
        _caller.Propose(
            _caller.Begin(_patience, Unknown),
            (ushort)KvCommand.Write,
            output => transaction.Write(output, null),
            isSafeTwice: false,
            proposal => new Ended(transaction.ResultOf(proposal.Answer.WrittenSpan)),
            (call, ended) =>
            {
                call.IsOver = true;
                answer.SetResult(ended.Result);
            },
            Unknown);
        return await answer.Task.ConfigureAwait(false);

        void Unknown(SimCall call)
        {
            call.IsOver = true;
            answer.SetException(new OutcomeUnknownException("Nobody answered."));
        }
    }

    /// <summary>At the node.</summary>
    private void Ask(int node, StoreKey key, Action<Found?, Exception?> told)
    {
        if (!cluster.Nodes[node].Drivers.TryGetValue(oracle.ShardId, out SimDriver? driver)) return;
        driver.Host.Read((refusal, _) =>
        {
            if (refusal is not null)
            {
                told(null, refusal);
                return;
            }

            using var reader = StateReader.Open(((KvMachine)driver.Replica.Machine).Table);
            var found = KvReads.Find(reader, KeyComparison.Equal, KeyOrder.Hierarchical.Encode(key.Span));
            told(new Found(found is { } record ? new StoreRecord(key, record.Row) : null), null);
        });
    }

    public override bool TryGet(StoreKey key, out StoreRecord record) => throw NotUsed();

    public override ValueTask<StoreRecord?> GetByIndexAsync(StoreKey index, StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default) => throw NotUsed();

    public override IAsyncEnumerable<StoreRecord> ScanAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default) => throw NotUsed();

    public override ValueTask<ScanPage> ScanPageAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default) => throw NotUsed();

    public override IAsyncEnumerable<StoreKey> ListAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default) => throw NotUsed();

    public override IAsyncEnumerable<StoreRecord> ScanIndexAsync(StoreKey index, StoreKey start = default, StoreKey end = default, ScanOptions? options = null, CancellationToken cancellationToken = default) =>
        throw NotUsed();

    public override ValueTask<WriteResult> PutAsync(StoreKey key, ReadOnlyMemory<byte> value, PutOptions? options = null, CancellationToken cancellationToken = default) => throw NotUsed();

    public override ValueTask<WriteResult> PutNextAsync(StoreKey prefix, ReadOnlyMemory<byte> value, IReadOnlyList<long> steps, PutOptions? options = null, CancellationToken cancellationToken = default) =>
        throw NotUsed();

    public override ValueTask<WriteResult> DeleteAsync(StoreKey key, DeleteOptions? options = null, CancellationToken cancellationToken = default) => throw NotUsed();

    public override ValueTask<WriteResult> DeleteRangeAsync(KeyRange range, StoreKey? partitionKey = null, CancellationToken cancellationToken = default) => throw NotUsed();

    public override ValueTask<IReadOnlyList<CutResult>> CompactAsync(CancellationToken cancellationToken = default) => throw NotUsed();

    public override IAsyncEnumerable<StoreEvent> WatchAsync(KeyRange range, WatchOptions? options = null, CancellationToken cancellationToken = default) => throw NotUsed();

    public override IAsyncEnumerable<StoreKey> WatchSequenceAsync(StoreKey prefix, StoreKey? partitionKey = null, CancellationToken cancellationToken = default) => throw NotUsed();

    public override ValueTask<StoreSession> OpenSessionAsync(SessionOptions? options = null, CancellationToken cancellationToken = default) => throw NotUsed();

    public override ValueTask<StoreClient> RegisterClientAsync(CancellationToken cancellationToken = default) => throw NotUsed();

    public override ValueTask<WriteOutcome> GetOutcomeAsync(WriteId write, CancellationToken cancellationToken = default) => throw NotUsed();

    private static NotSupportedException NotUsed() => new("No claim of a partition uses it.");

    private readonly record struct Found(StoreRecord? Record);

    private readonly record struct Ended(TransactionResult Result);
}
