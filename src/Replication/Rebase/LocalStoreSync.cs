using Tidemark.Core.Rebase;
using Tidemark.Replication;
using Tidemark.Replication.Rebase;

namespace Tidemark;

/// <summary>A local store's sync with a server, until it is disposed.</summary>
/// <remarks>Safe for concurrent calls.</remarks>
public sealed class LocalStoreSync : IAsyncDisposable
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan _failureLook = TimeSpan.FromSeconds(1);

    private readonly LocalRuntime _runtime;
    private readonly ISyncRoute _route;
    private readonly SyncClient _sync;
    private readonly CancellationTokenSource _closing = new();
    private readonly Lock _gate = new();
    private readonly HashSet<Task> _requests = [];
    private readonly Task _listening;
    private readonly ChangeSignal _changed = new();
    private Shown _shown;

    internal LocalStoreSync(LocalRuntime runtime, ISyncRoute route, SyncTimes? times = null)
    {
        (_runtime, _route) = (runtime, route);
        _sync = new SyncClient(runtime.Replica.Machine, runtime.Seed, times ?? new SyncTimes());
        _shown = new Shown(_sync.Status, 0);
        runtime.Replica.Host.Post(now =>
        {
            LocalLeader leader = runtime.Replica.Leader;
            leader.SyncWith(_sync, Send);
            leader.Stepped = Show;
            leader.Step(new SyncConnected(), now);
        });
        _listening = Task.Run(ListenAsync);
    }

    /// <summary>How the sync is.</summary>
    public SyncStatus Status => Volatile.Read(ref _shown).Status;

    /// <summary>Completes when <see cref="Status"/> has changed. Take it before looking.</summary>
    public Task Changed => _changed.Next;

    /// <summary>Told that the sync was disposed.</summary>
    internal Action? Ended { get; init; }

    /// <summary>Completes when the local store has all that the server had when this was called.</summary>
    /// <exception cref="SyncFaultedException">The sync has ended, or stands still because of a question.</exception>
    /// <exception cref="StoreFailedException">The local store's disk refused.</exception>
    /// <exception cref="ObjectDisposedException">The sync or the store was closed.</exception>
    public async Task CaughtUpAsync(CancellationToken cancellationToken = default)
    {
        var asked = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        _runtime.Replica.Host.Post(now =>
        {
            asked.SetResult(_sync.Requests);
            _runtime.Replica.Leader.Step(new SyncWanted(), now);
        });
        long before = await asked.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        await UntilAsync(() => Volatile.Read(ref _shown).CaughtUp > before, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Completes when it is known what came of all mutations that were pending when this was called.</summary>
    /// <inheritdoc cref="CaughtUpAsync"/>
    public Task PushedAsync(CancellationToken cancellationToken = default)
    {
        IReadOnlyList<Mutation> pending = _runtime.Mutations.All;
        return UntilAsync(() => pending.All(mutation => mutation.Outcome.IsCompleted), cancellationToken);
    }

    /// <summary>Ends the sync. The store goes on, and may sync anew.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_closing.IsCancellationRequested) return;
        await _closing.CancelAsync().ConfigureAwait(false);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _runtime.Replica.Host.Post(now =>
        {
            LocalLeader leader = _runtime.Replica.Leader;
            if (leader.Sync == _sync)
            {
                leader.Step(new SyncDisconnected(null), now);
                leader.SyncWith(null, null);
                leader.Stepped = null;
            }

            ended.SetResult();
        });
        await ended.Task.ConfigureAwait(false);
        Task[] requests;
        lock (_gate) requests = [.. _requests, _listening];
        await Task.WhenAll(requests).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _changed.Raise();
        Ended?.Invoke();
        _closing.Dispose();
    }

    private async Task UntilAsync(Func<bool> holds, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed = Changed, applied = _runtime.Changed;
            if (holds()) return;
            ObjectDisposedException.ThrowIf(_closing.IsCancellationRequested, this);
            _runtime.ThrowIfClosed();
            if (Status.State == SyncState.Faulted) throw new SyncFaultedException($"{Status.Fault} Call RetrySyncAsync to go on.");
            if (_runtime.View.Fields.Question is var question and not LocalStoreQuestion.None) throw new SyncFaultedException($"The sync stands still until AnswerAsync is called: {question}.");
            if (_runtime.Replica.Host.Failure is { } cause) throw new StoreFailedException($"The local store failed: {cause.Message} Close it and open it again.", cause);
            // Nobody is woken by a store that fails, so that is looked at now and then.
            await Task.WhenAny(changed, applied, Task.Delay(_failureLook, _runtime.Options.TimeProvider, cancellationToken)).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>The shard's thread: what is to be sent is, elsewhere.</summary>
    private void Send(SyncEffect effect)
    {
        Task request = Task.Run(() => RequestAsync(effect));
        lock (_gate) _requests.Add(request);
        request.ContinueWith(
            done =>
            {
                lock (_gate) _requests.Remove(done);
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private async Task RequestAsync(SyncEffect effect)
    {
        SyncEvent happened;
        long number = effect is SyncSendPull asked ? asked.Request : ((SyncSendPush)effect).Request;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
        try
        {
            happened = effect is SyncSendPull pull
                ? new SyncPullAnswered(number, await _route.PullAsync(pull.Pull, either.Token).WaitAsync(_patience, _runtime.Options.TimeProvider, either.Token).ConfigureAwait(false))
                : new SyncPushAnswered(number, await _route.PushAsync(((SyncSendPush)effect).Push, either.Token).WaitAsync(_patience, _runtime.Options.TimeProvider, either.Token).ConfigureAwait(false));
        }
        catch (Exception e)
        {
            await either.CancelAsync().ConfigureAwait(false);
            happened = new SyncRequestFailed(number, e.Message);
        }

        Tell(happened);
    }

    private async Task ListenAsync()
    {
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                await _route.WaitForChangeAsync(_closing.Token).ConfigureAwait(false);
                Tell(new SyncWanted());
            }
            catch (Exception) when (!_closing.IsCancellationRequested)
            {
                // Nobody tells of changes for now: they are found by asking.
                await Task.Delay(TimeSpan.FromSeconds(5), _runtime.Options.TimeProvider, _closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private void Tell(SyncEvent happened) => _runtime.Replica.Host.Post(now =>
    {
        if (_runtime.Replica.Leader.Sync == _sync) _runtime.Replica.Leader.Step(happened, now);
    });

    /// <summary>The shard's thread: shows others how the sync is.</summary>
    private void Show()
    {
        var now = new Shown(_sync.Status, _sync.CaughtUp);
        if (now == _shown) return;
        Volatile.Write(ref _shown, now);
        _changed.Raise();
    }

    private sealed record Shown(SyncStatus Status, long CaughtUp);
}
