using Tidemark.Core.Replication;

namespace Tidemark.Replication.Shards;

/// <summary>What a leader knows of its hold on the shard: how long ago a majority is known to have followed it, and to whom it hands over.</summary>
/// <param name="time">Its stopwatch is used alone: wall clocks jump.</param>
/// <param name="patience">How long it goes on without a majority.</param>
/// <param name="heirPatience">How long an heir may take to have everything.</param>
internal sealed class LeaderWatch(TimeProvider time, TimeSpan patience, TimeSpan heirPatience)
{
    private readonly Queue<(long Round, long SentAt)> _rounds = new();
    private long _freshAt;   // When the newest round was sent that a majority has answered: nobody else led then.
    private long _heirSince;

    /// <summary>Whether no majority was heard of for too long.</summary>
    internal bool IsCutOff { get; private set; }

    /// <summary>Who is to lead next, or nobody.</summary>
    internal int Heir { get; private set; } = ShardStatus.Nobody;

    /// <summary>A term begins.</summary>
    internal void Begin()
    {
        (_freshAt, IsCutOff, Heir) = (time.GetTimestamp(), false, ShardStatus.Nobody);
        _rounds.Clear();
    }

    /// <summary>A round is about to be sent.</summary>
    internal void BeginRound(long round) => _rounds.Enqueue((round, time.GetTimestamp()));

    /// <summary>Looks how fresh the lead is, given the newest round that a majority has answered.</summary>
    /// <returns>Whether the majority has just been lost.</returns>
    internal bool HasLostMajority(long answered)
    {
        while (_rounds.TryPeek(out (long Round, long SentAt) round) && round.Round <= answered)
        {
            _freshAt = round.SentAt;
            _rounds.Dequeue();
        }

        bool wasCutOff = IsCutOff;
        IsCutOff = time.GetElapsedTime(_freshAt) > patience;
        return IsCutOff && !wasCutOff;
    }

    /// <summary>Whether the state shows all that was acknowledged so long before a moment, given as a timestamp of the stopwatch.</summary>
    internal bool IsFresh(long moment, TimeSpan staleness) => time.GetElapsedTime(_freshAt, moment) <= staleness;

    internal void HandOverTo(int heir) => (Heir, _heirSince) = (heir, time.GetTimestamp());

    /// <summary>Who is to lead next; nobody any more where that takes too long.</summary>
    internal int HeirNow() => Heir = time.GetElapsedTime(_heirSince) > heirPatience ? ShardStatus.Nobody : Heir;
}
