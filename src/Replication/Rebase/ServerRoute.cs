using Tidemark.Core.KeyValue;
using Tidemark.Core.Rebase;
using Tidemark.Core.State;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Remote;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Rebase;

/// <summary>Brings what is pushed to the leader of a shard.</summary>
internal static class ServerRoute
{
    /// <summary>Brings mutations to the shard's leader, all at once and in order.</summary>
    /// <param name="shard">The shard, or the way to it.</param>
    /// <param name="push">The mutations.</param>
    /// <param name="forbids">Why whoever pushes may not call one, or null; null for all everything.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>How far they were decided, and why no further.</returns>
    /// <exception cref="TidemarkException">It is not known what came of the first. They can be pushed again.</exception>
    internal static async Task<SyncPushed> PushAsync(StoreShard shard, SyncPush push, Func<TimelineEntry, string?>? forbids, CancellationToken cancellationToken)
    {
        var decisions = new Task<SyncPushed>[push.Mutations.Count];
        TimelineLink before = push.Before;
        for (int i = 0; i < decisions.Length; i++)
        {
            TimelineEntry mutation = push.Mutations[i];
            var command = new MutateCommand(push.Client, push.Floor, before, forbids?.Invoke(mutation), mutation);
            decisions[i] = shard.AskAsync(KvCommand.Mutate, command.Write, SyncCodec.ReadPushed, cancellationToken).AsTask();
            before = mutation.LinkAfter(before);
        }

        await ((Task)Task.WhenAll(decisions)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        long first = push.Mutations[0].Id, upTo = first - 1;
        foreach (Task<SyncPushed> decision in decisions)
        {
            if (!decision.IsCompletedSuccessfully && upTo >= first) break;   // Those before it are decided on.
            SyncPushed pushed = await decision.ConfigureAwait(false);
            if (pushed.Refusal != SyncRefusal.None) return pushed with { UpTo = upTo };
            upTo++;
        }

        return new SyncPushed(upTo, SyncRefusal.None, null);
    }
}

/// <summary>The way to a shard whose state is in this process.</summary>
internal sealed class LocalServerRoute(LocalShard shard, KeyOrder order) : ISyncRoute
{
    public Task<SyncPushed> PushAsync(SyncPush push, CancellationToken cancellationToken) => ServerRoute.PushAsync(shard, push, null, cancellationToken);

    public Task<SyncAnswer> PullAsync(SyncPull pull, CancellationToken cancellationToken) => AnswerAsync(shard, order, pull, waits: false, cancellationToken).AsTask();

    public Task WaitForChangeAsync(CancellationToken cancellationToken)
    {
        shard.ThrowIfClosed();
        return shard.Changed.WaitAsync(cancellationToken);
    }

    /// <summary>Answers a pull from the state that is here.</summary>
    /// <param name="shard">The shard.</param>
    /// <param name="order">The order of its keys.</param>
    /// <param name="pull">What whoever asks has.</param>
    /// <param name="waits">Whether to wait until there is something to tell.</param>
    /// <param name="cancellationToken">Ends the wait: the answer is what there is then.</param>
    internal static async ValueTask<SyncAnswer> AnswerAsync(LocalShard shard, KeyOrder order, SyncPull pull, bool waits, CancellationToken cancellationToken)
    {
        await shard.ReadyToReadAsync(ReadLevel.Linearizable, cancellationToken).ConfigureAwait(false);
        while (true)
        {
            Task changed = shard.Changed;
            SyncAnswer answer;
            using (StateReader reader = shard.Open()) answer = SyncReads.Answer(reader, shard.Machine.LogId, order, pull);
            if (answer is SyncReset { Reason: SyncResetReason.TooOld } && await FindAsync(shard, pull, cancellationToken).ConfigureAwait(false) is { } past)
            {
                using StateReader reader = shard.Open();
                return SyncReads.AnswerPast(reader, shard.Machine.LogId, order, pull, past);
            }

            if (!waits || answer is not SyncChanges { Bound: null, Rows.Count: 0, Cleared.Count: 0 }) return answer;
            try
            {
                await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return answer;
            }
        }
    }

    private static async Task<PastChanges?> FindAsync(LocalShard shard, SyncPull pull, CancellationToken cancellationToken) => shard.FindPastAsync is { } findAsync && pull.Position is { } position
        ? await findAsync(position.Offset, SyncReads.BytesOf(pull), cancellationToken).ConfigureAwait(false)
        : null;
}

/// <summary>The way to a shard that other processes keep.</summary>
internal sealed class RemoteServerRoute(long shard, IShardReads reads) : ISyncRoute
{
    private const int LeastBytes = 1;   // Of an answer that only says that there is something.

    private readonly ChangeSignal _pulled = new();
    private volatile SyncPull? _last;   // What was known when it was asked last.

    public async Task<SyncPushed> PushAsync(SyncPush push, CancellationToken cancellationToken) =>
        (await reads.ReadAsync(new PushRequest(shard, push), cancellationToken).ConfigureAwait(false)).Pushed;

    public async Task<SyncAnswer> PullAsync(SyncPull pull, CancellationToken cancellationToken)
    {
        SyncAnswer answer = (await reads.ReadAsync(new PullRequest(shard, pull, Waits: false), cancellationToken).ConfigureAwait(false)).Answer;
        _last = answer is SyncChanges { Bound: null } changes ? new SyncPull(pull.Client, changes.Position, null, LeastBytes) : null;
        _pulled.Raise();
        return answer;
    }

    public async Task WaitForChangeAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task pulled = _pulled.Next;
            if (_last is not { } last)
            {
                await pulled.WaitAsync(cancellationToken).ConfigureAwait(false);   // A copy that is not whole asks by itself.
                continue;
            }

            SyncBody body = await reads.WatchAsync(new PullRequest(shard, last, Waits: true), cancellationToken).ConfigureAwait(false) ?? throw new ObjectDisposedException(nameof(KeyValueStore));
            if (body.Answer is SyncChanges { Bound: null, Rows.Count: 0, Cleared.Count: 0 }) continue;   // Its time was over.
            Interlocked.CompareExchange(ref _last, null, last);   // Told once: what is asked next says from where on.
            return;
        }
    }
}
