using Tidemark.Core.Routing;
using Tidemark.Storage.Log;

namespace Tidemark.Replication.Shards;

/// <summary>A fixed set of threads that drive shards: each shard has one for good. A thread is started with the first shard that comes to it.</summary>
/// <param name="most">How many threads.</param>
/// <param name="time">The time, and timers.</param>
/// <param name="threads">Run flushes beside them, and jobs.</param>
/// <param name="now">What timers go by; null for the wall clock.</param>
internal sealed class ShardExecutors(int most, TimeProvider time, FlushThreads threads, Func<DateTimeOffset>? now = null) : IAsyncDisposable
{
    private readonly List<ShardExecutor> _executors = [];
    private readonly Lock _scrubGate = new();
    private Task _scrubs = Task.CompletedTask;   // The last of those that were asked for: each begins when the one before has ended.
    private int _shards;

    /// <summary>Drives a shard from now on. One call at a time.</summary>
    internal void Add(ShardHost host)
    {
        int index = _shards++;
        int number = index < ShardPlacement.ShardsPerExecutorForHash * most ? index % most : ShardPlacement.PlaceByHash(index, most);
        while (_executors.Count <= number) _executors.Add(new ShardExecutor(_executors.Count, time, threads, now) { RunScrub = RunScrub });
        _executors[number].Add(host);
    }

    /// <summary>Drives a shard no more, and leaves it open. Once that is so, or the threads end, something is done on the shard's thread; it should be short. One call at a time, with <see cref="Add"/>.</summary>
    internal void Remove(ShardHost host, Action then)
    {
        foreach (ShardExecutor executor in _executors)
        {
            if (executor.TryRemove(host, then)) return;
        }
    }

    private void RunScrub(Action job)
    {
        lock (_scrubGate) _scrubs = _scrubs.ContinueWith(_ => job(), CancellationToken.None, TaskContinuationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Closes all shards, each on its thread, and ends the threads.</summary>
    /// <exception cref="AggregateException">Shards could not be closed cleanly. All were closed.</exception>
    public async ValueTask DisposeAsync()
    {
        List<Exception> failures = [];
        foreach (ShardExecutor executor in _executors)
        {
            try
            {
                await executor.DisposeAsync().ConfigureAwait(false);
            }
            catch (Exception e)
            {
                failures.Add(e);
            }
        }

        if (failures.Count > 0) throw new AggregateException(failures).Flatten();
    }
}
