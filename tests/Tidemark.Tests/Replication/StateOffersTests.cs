using Tidemark.Core.Replication;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Wire;

namespace Tidemark.Tests.Replication;

/// <summary>A leader that hands its state to followers, part by part.</summary>
public sealed class StateOffersTests : IDisposable
{
    private const int Follower = 2;

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(20), _pause = TimeSpan.FromSeconds(1);

    private readonly StateOffers _offers = new(shardId: 7, _patience, _pause);
    private DateTimeOffset _now = DateTimeOffset.UnixEpoch;
    private int _taken;

    [Fact]
    public void Parts_are_given_in_order_and_the_last_once_more()
    {
        Install offer = Make();
        Assert.Equal([1], Part(offer, 0));
        Assert.Equal([1], Part(offer, 0));   // Lost on the way.
        Assert.Equal([2], Part(offer, 1));
        Assert.Null(Part(offer, 3));
        Assert.Empty(Part(offer, 2)!);
        Assert.Equal(offer, Make());
        Assert.Equal(1, _taken);
    }

    [Fact]
    public void Who_begins_anew_is_offered_the_state_anew()
    {
        Install offer = Make();
        Part(offer, 0);
        Part(offer, 1);
        Assert.Null(Part(offer, 0));
        Assert.Empty(Part(offer, 2)!);   // It was a late word: the offer stands.

        _now += _pause + TimeSpan.FromMilliseconds(1);
        Assert.Null(Part(offer, 0));
        Assert.Null(Part(offer, 2));
        Install next = Make();
        Assert.Equal(2, _taken);
        Assert.Equal([1], Part(next, 0));
    }

    [Fact]
    public void What_nobody_asks_for_is_kept_for_a_while()
    {
        Install offer = Make();
        _now += _patience - TimeSpan.FromMilliseconds(1);
        _offers.Forget(_now);
        Assert.Equal([1], Part(offer, 0));
        _now += _patience;
        _offers.Forget(_now);
        Assert.Null(Part(offer, 1));
    }

    public void Dispose() => _offers.Dispose();

    private Install Make() => _offers.Make(Follower, new Install(3, 1, default), () =>
    {
        _taken++;
        return new PieceSnapshot(10 * _taken, [1], [2]);
    }, _now);

    private byte[]? Part(Install offer, long number) => _offers.Answer(Follower, new StateRequest(offer.Term, offer.Last, number), _now)?.Bytes.ToArray();
}
