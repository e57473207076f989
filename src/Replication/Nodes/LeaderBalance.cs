using Tidemark.Core.Replication;

namespace Tidemark.Replication.Nodes;

/// <summary>Decides when a node has another lead one of its shards: where it has no room for it, and so that all lead about as many. Each node decides by itself, and each only gives away.</summary>
/// <remarks>Only to who leads two fewer, so two nodes never give each other the same shard. Who was to lead and does not is left alone for a while: a hand-over costs writes a moment.</remarks>
internal sealed class LeaderBalance(int node)
{
    private static readonly TimeSpan _pause = TimeSpan.FromSeconds(30);

    private readonly Dictionary<int, (int Led, DateTimeOffset At)> _tried = [];
    private readonly Dictionary<int, DateTimeOffset> _relieved = [];

    /// <summary>The shard to give away next, and to whom; null for none.</summary>
    /// <param name="shards">All shards of the cluster.</param>
    /// <param name="isUp">Whether a node can be counted on at the moment.</param>
    /// <param name="now">The time.</param>
    internal (long Shard, int Heir)? Next(IReadOnlyDictionary<long, ShardStatus> shards, Func<int, bool> isUp, DateTimeOffset now)
    {
        Dictionary<int, int> ledBy = shards.Values.CountBy(status => status.Leader).ToDictionary();
        (long Shard, int Heir)? best = null;
        int fewest = ledBy.GetValueOrDefault(node) - 1;   // Two fewer, or it is not worth it.
        foreach ((long shard, ShardStatus status) in shards)
        {
            if (status.Leader != node || status.IsChanging) continue;
            foreach (int other in status.Ensemble)
            {
                int led = ledBy.GetValueOrDefault(other);
                if (other == node || led >= fewest || !isUp(other) || IsLeftAlone(other, led, now)) continue;
                (best, fewest) = ((shard, other), led);
            }
        }

        if (best is { } chosen) _tried[chosen.Heir] = (fewest, now);
        return best;
    }

    /// <summary>Who is to lead a shard instead of this node, which has no room for its log; null for nobody at the moment. All others in turn: one of them may have none either.</summary>
    internal int? Relief(ShardStatus status, Func<int, bool> isUp, DateTimeOffset now)
    {
        int? heir = status.Ensemble.Where(other => other != node && isUp(other)).OrderBy(other => _relieved.GetValueOrDefault(other)).Select(other => (int?)other).FirstOrDefault();
        if (heir is { } chosen) _relieved[chosen] = now;
        return heir;
    }

    /// <summary>Whether it was given a shard not long ago and still leads no more than then.</summary>
    private bool IsLeftAlone(int other, int led, DateTimeOffset now) => _tried.TryGetValue(other, out (int Led, DateTimeOffset At) last) && led <= last.Led && now - last.At < _pause;
}
