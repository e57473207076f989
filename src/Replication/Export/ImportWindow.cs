namespace Tidemark.Replication.Export;

/// <summary>A record to be written.</summary>
internal sealed record ImportPut(KeyValueStore Space, StoreKey Key, ReadOnlyMemory<byte> Value, PutOptions Options)
{
    internal int Bytes => Key.Length + Value.Length + 256;

    internal Task<WriteResult> Begin() => Space.PutAsync(Key, Value, Options).AsTask();
}

/// <summary>Writes that are under way: many at once, since they share flushes, and no more than a few megabytes.</summary>
/// <remarks>Not thread-safe. The last write of a key wins, also when the store had no room for some and they are tried again.</remarks>
internal sealed class ImportWindow
{
    private const int MostCount = 2048;
    private const int MostBytes = 4 * 1024 * 1024;
    private const int MostTries = 30_000;   // A millisecond each.

    private readonly Queue<(ImportPut Put, Task<WriteResult> Write)> _underWay = new();
    private long _bytes;

    /// <summary>Begins a write, once there is room.</summary>
    /// <exception cref="ArgumentException">The record breaks a rule of the store.</exception>
    /// <exception cref="LimitExceededException">It is too long.</exception>
    internal async ValueTask AddAsync(ImportPut put, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        while (_underWay.Count > 0 && (_underWay.Count >= MostCount || _bytes + put.Bytes > MostBytes)) await EndOneAsync(cancellation).ConfigureAwait(false);
        _underWay.Enqueue((put, put.Begin()));
        _bytes += put.Bytes;
    }

    /// <summary>Waits until all are written.</summary>
    internal async ValueTask DrainAsync(CancellationToken cancellation)
    {
        while (_underWay.Count > 0) await EndOneAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Waits until all have ended, however they do.</summary>
    internal async ValueTask SettleAsync()
    {
        while (_underWay.TryDequeue(out (ImportPut Put, Task<WriteResult> Write) one))
            await ((Task)one.Write).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async ValueTask EndOneAsync(CancellationToken cancellation)
    {
        (ImportPut put, Task<WriteResult> write) = _underWay.Peek();
        try
        {
            (await write.WaitAsync(cancellation).ConfigureAwait(false)).ThrowIfRefused();
            _underWay.Dequeue();
            _bytes -= put.Bytes;
        }
        catch (OverloadedException)
        {
            await AgainAsync(cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Others fill the store too: what is under way is waited for and written again, one after another, so that none overtakes another.</summary>
    private async ValueTask AgainAsync(CancellationToken cancellation)
    {
        ImportPut[] puts = [.. _underWay.Select(one => one.Put)];
        await SettleAsync().ConfigureAwait(false);
        _bytes = 0;
        foreach (ImportPut put in puts)
        {
            for (int tries = 0; ; tries++)
            {
                cancellation.ThrowIfCancellationRequested();
                try
                {
                    (await put.Begin().ConfigureAwait(false)).ThrowIfRefused();
                    break;
                }
                catch (OverloadedException) when (tries < MostTries)
                {
                    await Task.Delay(1, cancellation).ConfigureAwait(false);   // Others are under way. One that is longer than all that may wait never gets in.
                }
            }
        }
    }
}
