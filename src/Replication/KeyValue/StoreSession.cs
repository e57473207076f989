using Tidemark.Core.KeyValue;
using Tidemark.Replication.KeyValue;

namespace Tidemark;

/// <summary>A sign of life: records put with it go when it ends. It is kept alive in the background until it is disposed.</summary>
/// <remarks>
/// Each shard that holds such a record watches the session by itself; where one lets it go, it is lost as a whole. Its own deadline counts from the
/// moment the last keep-alive that was confirmed was sent, so it knows of its end no later than anybody else. After a restart of the store's process
/// sessions live on for their timeout, but nobody keeps them alive.
/// </remarks>
public sealed class StoreSession : IAsyncDisposable
{
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly Dictionary<StoreShard, Task<StoreStatus>> _shards = [];
    private readonly CancellationTokenSource _lost = new();
    private readonly ITimer _timer;
    private long _confirmed;     // When the oldest shard's last confirmed keep-alive was sent.
    private int _isAsking;
    private bool _isDisposed;

    internal StoreSession(Guid id, SessionOptions options, TimeProvider time)
    {
        Id = id;
        Timeout = options.Timeout;
        Identity = options.Identity;
        _time = time;
        _confirmed = time.GetTimestamp();
        Lost = _lost.Token;
        TimeSpan period = options.Timeout / 4;
        _timer = time.CreateTimer(static session => ((StoreSession)session!).KeepAlive(), this, period, period);
    }

    /// <summary>The session's id, which stands in its records.</summary>
    public Guid Id { get; }

    /// <summary>How long it outlives its last keep-alive.</summary>
    public TimeSpan Timeout { get; }

    /// <summary>Who opened it, where that was said.</summary>
    public string? Identity { get; }

    /// <summary>Cancelled when the session is lost: what was guarded by it is no longer.</summary>
    public CancellationToken Lost { get; }

    /// <summary>Whether the session is lost or disposed.</summary>
    public bool IsEnded => _isDisposed || Lost.IsCancellationRequested;

    /// <summary>Whether an answer to a keep-alive is waited for.</summary>
    internal bool IsAsking => Volatile.Read(ref _isAsking) != 0;

    /// <summary>Ends the session and removes its records.</summary>
    public async ValueTask DisposeAsync()
    {
        List<StoreShard> shards;
        lock (_gate)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            shards = [.. _shards.Keys];
        }

        await _timer.DisposeAsync().ConfigureAwait(false);
        foreach (StoreShard shard in shards)
        {
            if (!shard.IsReachable) continue;   // It ends there by its timeout.
            await shard.CommandAsync(KvCommand.CloseSession, output => CommandWriter.WriteIdAlone(output, Id), CancellationToken.None).ConfigureAwait(false);
        }

        _lost.Dispose();
    }

    /// <summary>Keeps it alive no longer: nobody was given it.</summary>
    internal void Abandon()
    {
        lock (_gate) _isDisposed = true;
        _timer.Dispose();
        _lost.Dispose();
    }

    /// <summary>Makes the session known to a shard, once.</summary>
    internal async ValueTask<StoreStatus> EnsureOpenAsync(StoreShard shard)
    {
        Task<StoreStatus> opened;
        lock (_gate)
        {
            if (IsEnded) return StoreStatus.SessionNotFound;
            if (!_shards.TryGetValue(shard, out Task<StoreStatus>? known) || known.IsFaulted) _shards[shard] = known = OpenAsync(shard);
            opened = known;
        }

        return await opened.ConfigureAwait(false);
    }

    private Task<StoreStatus> OpenAsync(StoreShard shard)
    {
        byte[] identity = Identity is null ? [] : System.Text.Encoding.UTF8.GetBytes(Identity);
        return shard.CommandAsync(
            KvCommand.OpenSession, output => CommandWriter.WriteOpenSession(output, Id, (long)Timeout.TotalMilliseconds, identity), CancellationToken.None).AsTask();
    }

    private void KeepAlive()
    {
        if (IsEnded) return;
        if (_time.GetElapsedTime(Volatile.Read(ref _confirmed)) >= Timeout)
        {
            Lose();
            return;
        }

        if (Interlocked.Exchange(ref _isAsking, 1) == 0) _ = AskAsync();
    }

    private async Task AskAsync()
    {
        try
        {
            long sent = _time.GetTimestamp();
            List<StoreShard> shards;
            lock (_gate) shards = [.. _shards.Where(shard => shard.Value is { IsCompletedSuccessfully: true, Result: StoreStatus.Ok }).Select(shard => shard.Key)];
            bool[] alive = await Task.WhenAll(shards.Select(shard => shard.IsClosed ? Task.FromResult(false) : shard.KeepAliveAsync(Id))).ConfigureAwait(false);
            if (Array.TrueForAll(alive, lives => lives)) Volatile.Write(ref _confirmed, sent);
            else Lose();
        }
        catch (ShardUnavailableException)
        {
            // Nobody could say. It is asked again, until the timeout is over.
        }
        finally
        {
            Volatile.Write(ref _isAsking, 0);
        }
    }

    private void Lose()
    {
        lock (_gate)
        {
            if (_isDisposed || _lost.IsCancellationRequested) return;
        }

        _timer.Change(System.Threading.Timeout.InfiniteTimeSpan, System.Threading.Timeout.InfiniteTimeSpan);
        try
        {
            _lost.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // Disposed meanwhile: who disposes it knows that it ended.
        }
    }
}
