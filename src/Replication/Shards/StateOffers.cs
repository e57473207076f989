using System.Buffers;

using Tidemark.Core.Diagnostics;
using Tidemark.Core.Replication;
using Tidemark.Replication.Wire;
using Tidemark.Storage.State;

namespace Tidemark.Replication.Shards;

/// <summary>The states that a leader gives to followers whose entries it has trimmed: one for each, until it is taken or nobody asks for it any more.</summary>
internal sealed class StateOffers(long shardId, TimeSpan patience) : IDisposable
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
    internal Install Make(int node, Install wanted, IStateKeeper keeper, DateTimeOffset now)
    {
        if (!_offers.TryGetValue(node, out Offer? offer) || offer.Term != wanted.Term || offer.Run != wanted.Run)
        {
            offer?.State.Dispose();
            _offers[node] = offer = new Offer(wanted.Term, wanted.Run, keeper.TakeOffer(), now);
        }

        return wanted with { Last = offer.Last };
    }

    /// <summary>A follower asks for a part: the next, or the one before once more.</summary>
    internal ShardMessage? Answer(int node, StateRequest request, DateTimeOffset now)
    {
        if (!_offers.TryGetValue(node, out Offer? offer) || offer.Term != request.Term || offer.Last != request.Last) return null;
        if (offer.TakePart(request.Part) is not { } part) return null;
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
            if (now - offer.AskedAt < patience) continue;
            offer.State.Dispose();
            _offers.Remove(node);
        }
    }

    public void Dispose()
    {
        foreach (Offer offer in _offers.Values) offer.State.Dispose();
        _offers.Clear();
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
