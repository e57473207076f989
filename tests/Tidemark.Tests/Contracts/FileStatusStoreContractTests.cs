using Tidemark.Testing;

namespace Tidemark.Tests.Contracts;

public sealed class FileStatusStoreContractTests
{
    public static TheoryData<AsyncContractCase<ClusterStatusStoreSubject>> Rules => [.. ClusterStatusStoreContract.Cases];

    [Theory]
    [MemberData(nameof(Rules))]
    public async Task A_file_on_the_disk_keeps_the_contract(AsyncContractCase<ClusterStatusStoreSubject> rule)
    {
        using var directory = new TestDirectory();
        await rule.RunAsync(new ClusterStatusStoreSubject(new FileClusterStatusStore(directory.At("status"))));
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public async Task A_file_in_memory_keeps_the_contract(AsyncContractCase<ClusterStatusStoreSubject> rule)
    {
        var files = new MemoryFileSystem();
        files.CreateDirectory("/cluster");
        await rule.RunAsync(new ClusterStatusStoreSubject(new FileClusterStatusStore("/cluster/status", new FileStatusOptions { FileSystem = files })));
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public async Task Three_stores_on_one_file_that_take_turns_keep_the_contract_as_one(AsyncContractCase<ClusterStatusStoreSubject> rule)
    {
        using var directory = new TestDirectory();
        var store = new StoresInTurn([.. Enumerable.Range(0, 3).Select(_ => new FileClusterStatusStore(directory.At("status"), new FileStatusOptions { PollInterval = TimeSpan.FromMilliseconds(2) }))]);
        await rule.RunAsync(new ClusterStatusStoreSubject(store));
    }

    /// <summary>Each call goes to the next of several stores that keep one document.</summary>
    private sealed class StoresInTurn(IClusterStatusStore[] stores) : IClusterStatusStore
    {
        private int _turn;

        private IClusterStatusStore Next => stores[Interlocked.Increment(ref _turn) % stores.Length];

        public ValueTask<ClusterStatusEntry?> ReadAsync(CancellationToken cancellationToken = default) => Next.ReadAsync(cancellationToken);

        public ValueTask<long?> TryWriteAsync(ReadOnlyMemory<byte> content, long expectedVersion, CancellationToken cancellationToken = default) =>
            Next.TryWriteAsync(content, expectedVersion, cancellationToken);

        public IAsyncEnumerable<ClusterStatusEntry> WatchAsync(long afterVersion, CancellationToken cancellationToken = default) => Next.WatchAsync(afterVersion, cancellationToken);
    }
}
