using Tidemark.Core.Replication;
using Tidemark.Replication.Wire;
using Tidemark.Storage.State;

namespace Tidemark.Replication.Shards;

/// <summary>Both ends of handing a state to a replica that lacks what its leader has trimmed.</summary>
internal sealed class StateTransfer : IDisposable
{
    private readonly ShardHostOptions _options;
    private readonly ReplicaOptions _replica;
    private readonly StateOffers _offers;
    private StateFetch? _fetch;
    private DateTimeOffset _askAt;

    internal StateTransfer(ShardHostOptions options, ReplicaOptions replica)
    {
        (_options, _replica) = (options, replica);
        _offers = new StateOffers(options.ShardId, 20 * replica.Patience, 2 * AskInterval);
    }

    private TimeSpan AskInterval => 4 * _replica.Heartbeat;

    internal bool IsFetching => _fetch is not null;

    /// <summary>The first offset that whoever takes a state from here needs next; <see cref="long.MaxValue"/> where nobody does.</summary>
    internal long NeededFrom => _offers.NeededFrom;

    /// <summary>What a follower is offered in place of what the core would.</summary>
    internal Install Offer(int node, Install wanted, IStateKeeper keeper, DateTimeOffset now) => _offers.Make(node, wanted, keeper.TakeOffer, now);

    /// <summary>A follower asks for a part.</summary>
    internal void Answer(int node, StateRequest request, DateTimeOffset now)
    {
        if (_offers.Answer(node, request, now) is { } part) _replica.Send(node, part);
    }

    /// <summary>Takes what a leader offers, or goes on with what it offered before.</summary>
    internal void Fetch(int leader, Install install, DateTimeOffset now)
    {
        if (_fetch is null || !_fetch.IsOf(leader, install))
        {
            _fetch?.Dispose();
            _fetch = new StateFetch(leader, install);
            _askAt = now;
        }

        if (now >= _askAt) Ask(_fetch, now);
    }

    /// <summary>Asks again for what did not come, and drops what is of another term or no longer asked for.</summary>
    internal void Tick(long term, DateTimeOffset now)
    {
        _offers.Forget(now);
        if (_fetch is not { } fetch || now < _askAt) return;
        if (fetch.Install.Term == term) Ask(fetch, now);
        else Drop();
    }

    /// <summary>A part came.</summary>
    /// <returns>The offer it was the last part of, once the state is here and checked; else null.</returns>
    /// <exception cref="IOException">The disk refused.</exception>
    internal Install? Take(int from, StatePart part, ReadOnlySpan<byte> bytes, DateTimeOffset now)
    {
        if (_fetch is not { } fetch || fetch.Leader != from || part.Term != fetch.Install.Term) return null;
        try
        {
            if (!fetch.Take(part, bytes, _replica.Disk)) return null;
        }
        catch (TidemarkException refused)
        {
            ShardMessages.StateRefused(_options.Logger, _options.ShardId, refused);
            Drop();
            return null;
        }

        if (fetch.State is not null) return fetch.Install;
        Ask(fetch, now);
        return null;
    }

    /// <summary>The state that is here. Whoever takes it disposes of it.</summary>
    internal ShardState TakeState() => _fetch!.TakeState();

    /// <summary>What is being fetched, or was and is of no use, goes.</summary>
    internal void Drop()
    {
        _fetch?.Dispose();
        _fetch = null;
    }

    public void Dispose()
    {
        Drop();
        _offers.Dispose();
    }

    private void Ask(StateFetch fetch, DateTimeOffset now)
    {
        _askAt = now + AskInterval;
        _replica.Send(fetch.Leader, new ShardMessage(_options.ShardId, fetch.Request));
    }
}
