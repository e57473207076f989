using Tidemark.Core.Replication;

namespace Tidemark.Replication.Shards;

/// <summary>What a leader knows of its hold on the shard: how long ago a majority is known to have followed it, and to whom it hands over.</summary>
/// <param name="patience">How long it goes on without a majority.</param>
/// <param name="heirPatience">How long an heir may take to have everything.</param>
internal sealed class LeaderWatch(TimeSpan patience, TimeSpan heirPatience)
{
    private readonly Queue<(long Round, DateTimeOffset Sent)> _rounds = new();
    private DateTimeOffset _heirUntil;

    /// <summary>When the newest round was sent that a majority has answered: nobody else led then.</summary>
    internal DateTimeOffset FreshAt { get; private set; }

    /// <summary>Whether no majority was heard of for too long.</summary>
    internal bool IsCutOff { get; private set; }

    /// <summary>Who is to lead next, or nobody.</summary>
    internal int Heir { get; private set; } = ShardStatus.Nobody;

    /// <summary>A term begins.</summary>
    internal void Begin(DateTimeOffset now)
    {
        (FreshAt, IsCutOff, Heir) = (now, false, ShardStatus.Nobody);
        _rounds.Clear();
    }

    internal void Sent(long round, DateTimeOffset now) => _rounds.Enqueue((round, now));

    /// <summary>Looks how fresh the lead is, given the newest round that a majority has answered.</summary>
    /// <returns>Whether the majority has just been lost.</returns>
    internal bool HasLostMajority(long answered, DateTimeOffset now)
    {
        while (_rounds.TryPeek(out (long Round, DateTimeOffset Sent) round) && round.Round <= answered)
        {
            FreshAt = round.Sent;
            _rounds.Dequeue();
        }

        bool wasCutOff = IsCutOff;
        IsCutOff = now - FreshAt > patience;
        return IsCutOff && !wasCutOff;
    }

    internal void HandOverTo(int heir, DateTimeOffset now) => (Heir, _heirUntil) = (heir, now + heirPatience);

    /// <summary>Who is to lead next; nobody any more where that takes too long.</summary>
    internal int HeirAt(DateTimeOffset now) => Heir = now > _heirUntil ? ShardStatus.Nobody : Heir;
}
