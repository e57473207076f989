using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Tidemark.Integration;

/// <summary>One writer and one watcher of a store whose server is killed, started again and frozen. Every answer is compared with what is read once that is possible.</summary>
internal sealed class StatusOutage(IClusterStatusStore store, IClusterStatusStore watched, StatusServer server) : IDisposable
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);   // Against hangs alone.

    private readonly CancellationTokenSource _end = new(), _endOfWatch = new();
    private long _seen;

    internal int Written { get; private set; }

    internal int Refused { get; private set; }

    internal int Unknown { get; private set; }

    internal int FailedReads { get; private set; }

    internal int FailedWatches { get; private set; }

    public void Dispose()
    {
        _end.Dispose();
        _endOfWatch.Dispose();
    }

    internal async Task RunAsync(int rounds)
    {
        Task writing = Task.Run(WriteAsync), watching = Task.Run(WatchAsync);
        try
        {
            // Once more where it was always a read that met the outage.
            for (int round = 0; round < rounds || (Unknown + Refused == 0 && round < 10 * rounds); round++)
            {
                await ProgressAsync(writing);
                await server.KillAsync();
                await FailureAsync(writing);
                await server.StartAsync();
                await ProgressAsync(writing);
                server.Freeze();
                await FailureAsync(writing);
                server.Thaw();
            }

            await ProgressAsync(writing);
        }
        finally
        {
            await _end.CancelAsync();
        }

        await writing.WaitAsync(_patience);
        long last = (await ReadAsync())!.Version;
        await UntilAsync(() => Volatile.Read(ref _seen) == last, watching, "the watch goes on to the newest");
        await StopWatchingAsync(watching);
    }

    private async Task WriteAsync()
    {
        ClusterStatusEntry? known = await ReadAsync();
        HashSet<string> doubtful = [];   // Writes that expect the version that is there and may still arrive.
        for (int number = 1; !_end.IsCancellationRequested; number++)
        {
            string content = $"attempt {number}", found;
            long expected = known?.Version ?? 0;
            try
            {
                long? version = await store.TryWriteAsync(Encoding.UTF8.GetBytes(content), expected);
                (known, found) = await ReadTextAsync();
                if (version is null) Assert.True(doubtful.Contains(found), $"'{content}' was refused at {expected}, and the document is '{found}'.");
                else Assert.True(found == content && known!.Version == version, $"'{content}' was written as {version}, and there is '{found}' as {known?.Version}.");
                if (version is not null) Written++;
            }
            catch (OutcomeUnknownException)
            {
                doubtful.Add(content);
                (known, found) = await ReadTextAsync();
                Assert.True((known?.Version ?? 0) == expected || doubtful.Contains(found), $"'{content}' may be there, and there is '{found}'.");
                Unknown++;
            }
            catch (IOException)
            {
                (known, found) = await ReadTextAsync();
                Assert.True((known?.Version ?? 0) == expected || doubtful.Contains(found), $"'{content}' was surely not written at {expected}, and there is '{found}' as {known?.Version}.");
                Refused++;
            }

            if ((known?.Version ?? 0) != expected) doubtful.Clear();   // They expect a version that is gone.
        }
    }

    private async Task WatchAsync()
    {
        while (!_endOfWatch.IsCancellationRequested)
        {
            try
            {
                await foreach (ClusterStatusEntry entry in watched.WatchAsync(Volatile.Read(ref _seen), _endOfWatch.Token))
                {
                    Assert.True(entry.Version > Volatile.Read(ref _seen), $"After {_seen} came {entry.Version}.");
                    Volatile.Write(ref _seen, entry.Version);
                }
            }
            catch (IOException)
            {
                FailedWatches++;
                await Task.Delay(50);   // Not as fast as it can: others need the processor too.
            }
        }
    }

    private async Task StopWatchingAsync(Task watching)
    {
        await _endOfWatch.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching.WaitAsync(_patience));
    }

    private async Task<(ClusterStatusEntry? Entry, string Text)> ReadTextAsync()
    {
        ClusterStatusEntry? entry = await ReadAsync();
        return (entry, entry is null ? "" : Encoding.UTF8.GetString(entry.Content.Span));
    }

    private async Task<ClusterStatusEntry?> ReadAsync()
    {
        long begun = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return await store.ReadAsync();
            }
            catch (IOException) when (Stopwatch.GetElapsedTime(begun) < _patience)
            {
                FailedReads++;
                await Task.Delay(20);
            }
        }
    }

    private Task ProgressAsync(Task writing)
    {
        int before = Written;
        return UntilAsync(() => Written >= before + 5, writing, "writes succeed");
    }

    private Task FailureAsync(Task writing)
    {
        int before = FailedReads;
        return UntilAsync(() => FailedReads > before, writing, "reads fail");
    }

    private async Task UntilAsync(Func<bool> isSo, Task other, string what)
    {
        long begun = Stopwatch.GetTimestamp();
        while (!isSo())
        {
            if (other.IsFaulted) await other;
            Assert.True(Stopwatch.GetElapsedTime(begun) < _patience, string.Create(CultureInfo.InvariantCulture, $"Never: {what}. {Written} written, {Refused} refused, {Unknown} unknown, seen {_seen}."));
            await Task.Delay(5);
        }
    }
}
