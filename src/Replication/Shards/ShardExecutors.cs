using Tidemark.Core.Routing;
using Tidemark.Storage.Files;

namespace Tidemark.Replication.Shards;

/// <summary>A fixed number of executors that drive shards: each shard has one for good.</summary>
/// <param name="most">How many executors.</param>
/// <param name="time">The time, and timers.</param>
/// <param name="now">What timers go by; null for the wall clock.</param>
internal sealed class ShardExecutors(int most, TimeProvider time, Func<DateTimeOffset>? now = null) : IAsyncDisposable
{
    /// <summary>How many logs each executor flushes side by side.</summary>
    internal const int FlushesEach = 4;

    private const int MostJobs = 4;

    private readonly DiskThreads _jobThreads = new("jobs", MostJobs);
    private readonly List<ShardExecutor> _executors = [];
    private readonly List<Task> _ends = [];   // Of shards that are driven no more.
    private readonly Lock _scrubGate = new();
    private Task _scrubs = Task.CompletedTask;   // The last of those that were asked for: each begins when the one before has ended.
    private int _shards;

    /// <summary>Drives a shard from now on. One call at a time.</summary>
    internal void Add(ShardHost host)
    {
        int index = _shards++;
        int number = index < ShardPlacement.ShardsPerExecutorForHash * most ? index % most : ShardPlacement.PlaceByHash(index, most);
        while (_executors.Count <= number) _executors.Add(new ShardExecutor(_executors.Count, FlushesEach, time, _jobThreads, now) { RunScrub = RunScrub });
        _executors[number].Add(host);
    }

    /// <summary>Drives a shard no more, and ends it then, apart from the threads: that waits for the disk. One call at a time, with <see cref="Add"/>.</summary>
    /// <returns>Completes when it has ended. Disposing waits for it too.</returns>
    internal Task RemoveAsync(ShardHost host, Action end)
    {
        var released = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!_executors.Exists(executor => executor.TryRemove(host, released.SetResult))) return Task.CompletedTask;
        Task ended = released.Task.ContinueWith(_ => end(), TaskScheduler.Default);
        lock (_ends)
        {
            _ends.RemoveAll(static end => end.IsCompletedSuccessfully);
            _ends.Add(ended);
        }

        return ended;
    }

    private void RunScrub(Action job)
    {
        lock (_scrubGate) _scrubs = _scrubs.ContinueWith(_ => job(), CancellationToken.None, TaskContinuationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Closes all shards, and ends the threads.</summary>
    /// <exception cref="AggregateException">Shards could not be closed cleanly. All were closed.</exception>
    public async ValueTask DisposeAsync()
    {
        Task closed = Task.WhenAll(_executors.Select(static executor => executor.DisposeAsync().AsTask()));
        await closed.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Task ended;
        lock (_ends) ended = Task.WhenAll(_ends);
        await ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _jobThreads.Stop();
        Exception[] failures = [.. new[] { closed.Exception, ended.Exception }.OfType<Exception>()];
        if (failures.Length > 0) throw new AggregateException(failures).Flatten();
    }
}
