namespace Tidemark.Core.Replication;

/// <summary>A node as the placement sees it.</summary>
/// <param name="Zone">The label of what fails together with it; null where it fails alone.</param>
/// <param name="Keeps">Whether shards may be placed there.</param>
/// <param name="IsUp">Whether it can be counted on at the moment.</param>
internal readonly record struct PlacementNode(string? Zone, bool Keeps, bool IsUp);

/// <summary>A step towards the placement that is wanted.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Ensemble">The nodes that keep it next: one more than now, or one less, or the same where its observer is to join no more.</param>
internal readonly record struct PlacementStep(long Shard, IReadOnlyList<int> Ensemble);

/// <summary>Decides which nodes keep which shards: as many as are wanted, in different zones as far as there are enough, and each node about as many as the others.</summary>
/// <remarks>
/// It always comes to an end: what is missing is added and what is too much removed; beyond that a replica moves only where the shard is in more zones then, or in as many and the squares of the nodes'
/// counts add up to less. A node that is down is given nothing, and keeps what it has: it may come back with its disk. Cost of a look: shards × nodes × replicas.
/// </remarks>
internal sealed class Placement
{
    /// <summary>How many shards change at once: each that moves is copied whole, and costs its writers a moment.</summary>
    internal const int MostAtOnce = 2;

    private readonly IReadOnlyDictionary<int, PlacementNode> _nodes;
    private readonly int _wanted;
    private readonly Dictionary<int, int> _counts;   // Of the shards each node keeps, once what is under way is done.

    private Placement(IReadOnlyDictionary<int, PlacementNode> nodes, IEnumerable<ShardStatus> shards, int wanted) =>
        (_nodes, _wanted, _counts) = (nodes, wanted, shards.SelectMany(Aim).CountBy(node => node).ToDictionary());

    /// <summary>The next step; null where there is none at the moment.</summary>
    /// <param name="nodes">The nodes of the cluster.</param>
    /// <param name="shards">Its shards.</param>
    /// <param name="replicas">How many nodes keep each shard; null for all.</param>
    /// <param name="canChange">Whether a shard's ensemble can be changed now: it has a leader, which has settled.</param>
    internal static PlacementStep? Next(
        IReadOnlyDictionary<int, PlacementNode> nodes, IReadOnlyDictionary<long, ShardStatus> shards, int? replicas, Func<long, bool> canChange)
    {
        int keepers = nodes.Values.Count(node => node.Keeps);
        if (keepers == 0) return null;
        var placement = new Placement(nodes, shards.Values, Math.Min(replicas ?? keepers, keepers));
        int changing = shards.Values.Count(shard => shard.IsChanging);
        (long Shard, ShardStatus Status)[] able = [.. shards.Where(shard => canChange(shard.Key)).OrderBy(shard => shard.Key).Select(shard => (shard.Key, shard.Value))];
        (long Shard, ShardStatus Status)[] resting = [.. able.Where(shard => !shard.Status.IsChanging)];
        if (placement.GiveUp(able) is { } less) return less;
        if (changing >= MostAtOnce) return null;
        if ((placement.Complete(resting) ?? placement.Reduce(resting)) is { } repair) return repair;
        if (changing > 0 || shards.Values.Any(shard => shard.Ensemble.Count > placement._wanted)) return null;   // One move after the other: each is weighed against what the last has led to.
        return placement.Spread(resting) ?? placement.Even(resting);
    }

    /// <summary>The first nodes of a new cluster's shards, whose zones nobody knows yet: each node gets as many as the others, or one more.</summary>
    internal static IReadOnlyList<int> First(long shard, IReadOnlyList<int> nodes, int? replicas)
    {
        if (replicas is not { } count || count >= nodes.Count) return nodes;
        return [.. Enumerable.Range(0, count).Select(place => nodes[(int)(((shard * count) + place) % nodes.Count)]).Order()];
    }

    /// <summary>The nodes of shards that a running cluster gets, as they would come to be placed. Nodes that are down keep some only where too few are up.</summary>
    internal static IReadOnlyList<int>[] ForNew(IReadOnlyDictionary<int, PlacementNode> nodes, IEnumerable<ShardStatus> shards, int? replicas, int count)
    {
        int keepers = nodes.Values.Count(node => node.Keeps);
        var placement = new Placement(nodes, shards, Math.Min(replicas ?? keepers, keepers));
        var ensembles = new IReadOnlyList<int>[count];
        foreach (ref IReadOnlyList<int> ensemble in ensembles.AsSpan())
        {
            var status = new ShardStatus(0, ShardStatus.Nobody, [], null, "");
            while (status.Ensemble.Count < placement._wanted)
            {
                int node = placement.Best(status, static _ => true) ?? nodes.First(node => node.Value.Keeps && !status.Ensemble.Contains(node.Key)).Key;
                status = status with { Ensemble = [.. status.Ensemble, node] };
                placement._counts[node] = placement.CountOf(node) + 1;
            }

            ensemble = [.. status.Ensemble.Order()];
        }

        return ensembles;
    }

    /// <summary>Who keeps a shard once what is under way is done.</summary>
    private static IEnumerable<int> Aim(ShardStatus status) => status.Next ?? (status.Observer == ShardStatus.Nobody ? status.Ensemble : status.Ensemble.Append(status.Observer));

    private static PlacementStep Add(long shard, ShardStatus status, int node) => new(shard, [.. status.Ensemble, node]);

    /// <summary>An observer that may not keep the shard any more joins no more.</summary>
    private PlacementStep? GiveUp((long Shard, ShardStatus Status)[] shards)
    {
        foreach ((long shard, ShardStatus status) in shards)
        {
            if (status is { Next: null, Observer: not ShardStatus.Nobody } && !Keeps(status.Observer)) return new PlacementStep(shard, status.Ensemble);
        }

        return null;
    }

    /// <summary>Where too few that may keep a shard do, one more.</summary>
    private PlacementStep? Complete((long Shard, ShardStatus Status)[] shards)
    {
        foreach ((long shard, ShardStatus status) in shards)
        {
            if (status.Ensemble.Count(Keeps) < _wanted && Best(status, static _ => true) is { } node) return Add(shard, status, node);
        }

        return null;
    }

    /// <summary>Where more than enough keep a shard, one less: first who may not, then who shares its zone with another, then who keeps most.</summary>
    private PlacementStep? Reduce((long Shard, ShardStatus Status)[] shards)
    {
        foreach ((long shard, ShardStatus status) in shards)
        {
            if (status.Ensemble.Count <= _wanted) continue;
            int worst = status.Ensemble.MaxBy(node => (!Keeps(node), IsZoneShared(status, node), CountOf(node), node != status.Leader, node));
            return new PlacementStep(shard, [.. status.Ensemble.Where(node => node != worst)]);
        }

        return null;
    }

    /// <summary>Where two nodes of a shard share a zone and another zone has none, one of that.</summary>
    private PlacementStep? Spread((long Shard, ShardStatus Status)[] shards)
    {
        foreach ((long shard, ShardStatus status) in shards)
        {
            if (!status.Ensemble.Any(node => IsZoneShared(status, node))) continue;
            if (Best(status, node => IsZoneNew(status, node)) is { } better) return Add(shard, status, better);
        }

        return null;
    }

    /// <summary>Where one keeps two shards more than another that could have one of them, without that the shard is in fewer zones: the widest such difference.</summary>
    private PlacementStep? Even((long Shard, ShardStatus Status)[] shards)
    {
        PlacementStep? best = null;
        int widest = 1;
        foreach ((long shard, ShardStatus status) in shards)
        {
            foreach (int to in Candidates(status))
            {
                bool isNew = IsZoneNew(status, to);
                foreach (int from in status.Ensemble)
                {
                    int difference = CountOf(from) - CountOf(to);
                    bool isAsSpread = isNew || IsZoneShared(status, from) || ZoneOf(from) == ZoneOf(to);
                    if (difference > widest && isAsSpread) (best, widest) = (Add(shard, status, to), difference);
                }
            }
        }

        return best;
    }

    /// <summary>Who would best keep a shard too; null for nobody.</summary>
    private int? Best(ShardStatus status, Func<int, bool> isFit) =>
        Candidates(status).Where(isFit).OrderByDescending(node => IsZoneNew(status, node)).ThenBy(CountOf).ThenBy(node => node).Select(node => (int?)node).FirstOrDefault();

    private IEnumerable<int> Candidates(ShardStatus status) => _nodes.Where(node => node.Value is { Keeps: true, IsUp: true } && !status.Ensemble.Contains(node.Key)).Select(node => node.Key);

    private bool IsZoneShared(ShardStatus status, int node) => status.Ensemble.Any(other => other != node && ZoneOf(other) == ZoneOf(node));

    private bool IsZoneNew(ShardStatus status, int node) => status.Ensemble.All(other => ZoneOf(other) != ZoneOf(node));

    private bool Keeps(int node) => _nodes.GetValueOrDefault(node).Keeps;

    private int CountOf(int node) => _counts.GetValueOrDefault(node);

    /// <summary>What fails together: a zone, or a node without one.</summary>
    private (string? Zone, int Node) ZoneOf(int node) => _nodes.GetValueOrDefault(node).Zone is { } zone ? (zone, ShardStatus.Nobody) : (null, node);
}
