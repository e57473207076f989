using System.Buffers;

using Tidemark.Core.Diagnostics;
using Tidemark.Core.Replication;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Shards;

/// <summary>The states that a leader gives to followers whose entries it has trimmed: one for each, until it is taken or nobody asks for it any more.</summary>
/// <param name="shardId">The shard.</param>
/// <param name="patience">How long an offer is kept that nobody asks for.</param>
/// <param name="pause">Who asks for the first part so long after any other has lost what it had: its disk was full, or what it had was damaged. Before that it is a late word.</param>
internal sealed class StateOffers(long shardId, TimeSpan patience, TimeSpan pause) : IDisposable
{
    private readonly Dictionary<int, Offer> _offers = [];

    /// <summary>The first offset that whoever takes an offer needs next; <see cref="long.MaxValue"/> where there is none.</summary>
    internal long NeededFrom
    {
        get
        {
            long first = long.MaxValue;
            foreach (Offer offer in _offers.Values) first = Math.Min(first, offer.State.Position.Offset + 1);
            return first;
        }
    }

    /// <summary>What a follower is offered: the state it is taking already, or the one that is offered now.</summary>
    internal Install Make(int node, Install wanted, Func<IStateSnapshot> take, DateTimeOffset now)
    {
        if (!_offers.TryGetValue(node, out Offer? offer) || offer.Term != wanted.Term || offer.Run != wanted.Run)
        {
            offer?.State.Dispose();
            _offers[node] = offer = new Offer(wanted.Term, wanted.Run, take(), now);
        }

        return wanted with { Last = offer.Last };
    }

    /// <summary>A follower asks for a part: the next, or the one before once more.</summary>
    internal ShardMessage? Answer(int node, StateRequest request, DateTimeOffset now)
    {
        if (!_offers.TryGetValue(node, out Offer? offer) || offer.Term != request.Term || offer.Last != request.Last) return null;
        if (offer.TakePart(request.Part) is not { } part)
        {
            if (request.Part == 0 && now - offer.AskedAt > pause) Drop(node, offer);   // The next offer is made anew.
            return null;
        }

        offer.AskedAt = now;
        StatePosition position = offer.State.Position;
        if (Planted.Is(PlantedBug.StateWithoutPosition)) position = position with { Offset = position.Offset - 1 };
        var message = new StatePart(offer.Term, position, offer.State.Hash, request.Part, part.Length == 0);
        return new ShardMessage(shardId, message, [], part);
    }

    /// <summary>Drops what nobody has asked for in a long time.</summary>
    internal void Forget(DateTimeOffset now)
    {
        foreach ((int node, Offer offer) in _offers.ToArray())
        {
            if (now - offer.AskedAt >= patience) Drop(node, offer);
        }
    }

    public void Dispose()
    {
        foreach (Offer offer in _offers.Values) offer.State.Dispose();
        _offers.Clear();
    }

    private void Drop(int node, Offer offer)
    {
        offer.State.Dispose();
        _offers.Remove(node);
    }

    private sealed class Offer(long term, long run, IStateSnapshot state, DateTimeOffset now)
    {
        private byte[] _part = [];
        private long _next;   // The part after the one that was made last.

        internal long Term => term;

        internal long Run => run;

        internal IStateSnapshot State => state;

        internal LogHead Last => new(state.Position.Term, state.Position.Offset - (Planted.Is(PlantedBug.StateWithoutPosition) ? 1 : 0));

        internal DateTimeOffset AskedAt { get; set; } = now;

        internal byte[]? TakePart(long number)
        {
            if (number == _next - 1) return _part;
            if (number != _next) return null;
            var writer = new ArrayBufferWriter<byte>();
            _part = state.WriteNext(writer) ? writer.WrittenSpan.ToArray() : [];
            _next++;
            return _part;
        }
    }
}
