using Tidemark.Core.KeyValue;
using Tidemark.Core.Rebase;
using Tidemark.Core.State;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Remote;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Sync;

/// <summary>The way from a client that syncs to the shard it syncs with.</summary>
internal abstract class SyncRoute(StoreShard shard, KeyOrder order)
{
    /// <summary>How the namespace's keys sort.</summary>
    internal KeyOrder Order => order;

    /// <summary>Asks what changed.</summary>
    /// <param name="pull">What is known.</param>
    /// <param name="waits">Whether to wait for a while where nothing has.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="TidemarkException">There is no answer.</exception>
    internal abstract ValueTask<SyncAnswer> PullAsync(SyncPull pull, bool waits, CancellationToken cancellationToken);

    /// <summary>Brings mutations to the shard's leader, all at once and in order.</summary>
    /// <returns>How far they were decided, and why no further.</returns>
    /// <exception cref="TidemarkException">It is not known what came of them. They can be pushed again.</exception>
    internal async ValueTask<SyncPushed> PushAsync(SyncPush push, CancellationToken cancellationToken)
    {
        Task<SyncPushed>[] decisions = new Task<SyncPushed>[push.Mutations.Count];
        TimelineLink before = push.Before;
        for (int i = 0; i < decisions.Length; i++)
        {
            decisions[i] = MutateAsync(new MutateCommand(push.Client, push.Floor, before, null, push.Mutations[i]), cancellationToken);
            before = push.Mutations[i].LinkAfter(before);
        }

        try
        {
            await Task.WhenAll(decisions).ConfigureAwait(false);
        }
        catch (TidemarkException) when (decisions[0].IsCompletedSuccessfully)
        {
            // Those before the first that failed are decided on.
        }

        long upTo = push.Mutations[0].Id - 1;
        foreach (Task<SyncPushed> decision in decisions)
        {
            if (!decision.IsCompletedSuccessfully) break;
            SyncPushed pushed = await decision.ConfigureAwait(false);
            if (pushed.Refusal != SyncRefusal.None) return pushed with { UpTo = upTo };
            upTo++;
        }

        return new SyncPushed(upTo, SyncRefusal.None, null);
    }

    private async Task<SyncPushed> MutateAsync(MutateCommand command, CancellationToken cancellationToken)
    {
        Proposal proposal = shard.Rent(KvCommand.Mutate);
        try
        {
            command.Write(proposal.Payload);
            await shard.SubmitAsync(proposal, cancellationToken).ConfigureAwait(false);
            return SyncCodec.ReadPushed(proposal.Answer.WrittenSpan);
        }
        finally
        {
            proposal.LetGo();
        }
    }
}

/// <summary>The way to a shard whose state is in this process.</summary>
internal sealed class LocalSyncRoute(LocalShard shard, KeyOrder order) : SyncRoute(shard, order)
{
    internal override ValueTask<SyncAnswer> PullAsync(SyncPull pull, bool waits, CancellationToken cancellationToken) => AnswerAsync(shard, Order, pull, waits, cancellationToken);

    /// <summary>Answers a pull from the state that is here.</summary>
    internal static async ValueTask<SyncAnswer> AnswerAsync(LocalShard shard, KeyOrder order, SyncPull pull, bool waits, CancellationToken cancellationToken)
    {
        await shard.ReadyToReadAsync(ReadLevel.Linearizable, cancellationToken).ConfigureAwait(false);
        while (true)
        {
            Task changed = shard.Changed;
            SyncAnswer answer;
            using (StateReader reader = shard.Open()) answer = SyncReads.Answer(reader, shard.Machine.LogId, order, pull);
            if (!waits || IsNews(pull, answer)) return answer;
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

    private static bool IsNews(SyncPull pull, SyncAnswer answer) => pull.Bound is not null || answer is not SyncChanges { Rows.Count: 0, Cleared.Count: 0 };
}

/// <summary>The way to a shard that other processes keep.</summary>
internal sealed class RemoteSyncRoute(StoreShard shard, KeyOrder order, IShardReads reads) : SyncRoute(shard, order)
{
    private readonly long _shardId = shard.Id;

    internal override async ValueTask<SyncAnswer> PullAsync(SyncPull pull, bool waits, CancellationToken cancellationToken)
    {
        var request = new PullRequest(_shardId, pull, waits);
        SyncBody? body = waits ? await reads.WatchAsync(request, cancellationToken).ConfigureAwait(false) : await reads.ReadAsync(request, cancellationToken).ConfigureAwait(false);
        return body?.Answer ?? throw new ObjectDisposedException(nameof(KeyValueStore));
    }
}
