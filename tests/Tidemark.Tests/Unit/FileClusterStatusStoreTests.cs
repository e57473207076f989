using Tidemark.Testing;

namespace Tidemark.Tests.Unit;

public sealed class FileClusterStatusStoreTests
{
    private readonly MemoryFileSystem _files = new(capacityBytes: 10_000);

    public FileClusterStatusStoreTests() => _files.CreateDirectory("/cluster");

    [Fact]
    public async Task A_write_waits_for_who_is_writing_and_after_the_timeout_names_the_holder()
    {
        var time = new ManualTimeProvider();
        FileClusterStatusStore store = Store(time);
        IDisposable held = _files.Lock("/cluster/status.lock");
        Task<long?> write = store.TryWriteAsync(new byte[] { 1 }, 0).AsTask();
        while (!write.IsCompleted) time.Advance(TimeSpan.FromMilliseconds(100));
        IOException refusal = await Assert.ThrowsAsync<IOException>(() => write);
        Assert.IsType<DirectoryLockedException>(refusal.InnerException);
        Assert.Contains($"process {Environment.ProcessId} on host '{Environment.MachineName}'", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("LockTimeout", refusal.Message, StringComparison.Ordinal);
        Assert.True(time.Elapsed >= TimeSpan.FromSeconds(5), $"It gave up after {time.Elapsed}.");
        Assert.Null(await store.ReadAsync());   // A reader needs no lock.

        write = store.TryWriteAsync(new byte[] { 1 }, 0).AsTask();
        held.Dispose();
        while (!write.IsCompleted) time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(1, await write);
    }

    [Fact]
    public async Task A_write_that_is_cancelled_while_it_waits_for_the_lock_is_not_done()
    {
        FileClusterStatusStore store = Store(new ManualTimeProvider());
        using var cancellation = new CancellationTokenSource();
        IDisposable held = _files.Lock("/cluster/status.lock");
        Task<long?> write = store.TryWriteAsync(new byte[] { 1 }, 0, cancellation.Token).AsTask();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => write);
        held.Dispose();
        Assert.Null(await store.ReadAsync());
        Assert.Equal(1, await store.TryWriteAsync(new byte[] { 1 }, 0));
    }

    [Fact]
    public async Task A_watch_sees_another_instances_write_at_its_next_look_and_not_before()
    {
        var time = new ManualTimeProvider();
        FileClusterStatusStore here = Store(time), there = Store(time);
        IAsyncEnumerator<ClusterStatusEntry> watch = here.WatchAsync(0).GetAsyncEnumerator();
        Task<bool> next = watch.MoveNextAsync().AsTask();
        Assert.Equal(1, await there.TryWriteAsync(new byte[] { 7 }, 0));
        Assert.False(next.IsCompleted);
        while (!next.IsCompleted) time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.True(await next);
        Assert.Equal(1, watch.Current.Version);

        next = watch.MoveNextAsync().AsTask();
        Assert.Equal(2, await here.TryWriteAsync(new byte[] { 8 }, 1));   // Its own write: no time passes.
        Assert.True(await next.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal(2, watch.Current.Version);
    }

    [Fact]
    public async Task A_full_disk_is_surely_not_written_and_the_same_write_works_once_there_is_room()
    {
        FileClusterStatusStore store = Store(TimeProvider.System);
        Assert.Equal(1, await store.TryWriteAsync(new byte[6_000], 0));
        IOException full = await Assert.ThrowsAsync<IOException>(async () => await store.TryWriteAsync(new byte[6_000], 1));
        Assert.IsType<StoreFullException>(full.InnerException);
        Assert.Equal(1, (await store.ReadAsync())!.Version);
        Assert.Equal(2, await store.TryWriteAsync(new byte[1_000], 1));
    }

    [Fact]
    public async Task A_document_above_the_limit_is_refused_by_name()
    {
        var store = new FileClusterStatusStore("/cluster/status", new FileStatusOptions { FileSystem = _files, MaxDocumentBytes = 100 });
        LimitExceededException refusal = await Assert.ThrowsAsync<LimitExceededException>(async () => await store.TryWriteAsync(new byte[101], 0));
        Assert.Contains("FileStatusOptions.MaxDocumentBytes", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(1, await store.TryWriteAsync(new byte[100], 0));
    }

    [Fact]
    public async Task A_directory_that_is_missing_is_an_error_and_not_a_store_without_a_document()
    {
        var store = new FileClusterStatusStore("/not mounted/status", new FileStatusOptions { FileSystem = _files });
        await Assert.ThrowsAsync<DirectoryNotFoundException>(async () => await store.ReadAsync());
        await Assert.ThrowsAnyAsync<IOException>(async () => await store.TryWriteAsync(new byte[] { 1 }, 0));
    }

    private FileClusterStatusStore Store(TimeProvider time) => new("/cluster/status", new FileStatusOptions { FileSystem = _files, TimeProvider = time });
}
