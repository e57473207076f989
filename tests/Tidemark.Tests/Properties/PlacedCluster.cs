using Tidemark.Core.Replication;

namespace Tidemark.Tests.Properties;

/// <summary>A cluster whose shards are placed step by step, each of which comes about as an election would have it: with an observer first, or with two ensembles at once.</summary>
internal sealed class PlacedCluster
{
    private readonly SortedDictionary<int, PlacementNode> _nodes;
    private readonly SortedDictionary<long, ShardStatus> _shards;
    private readonly int? _replicas;
    private (ShardStatus Before, IReadOnlyList<int> After) _last;

    private PlacedCluster(SortedDictionary<int, PlacementNode> nodes, SortedDictionary<long, ShardStatus> shards, int? replicas) => (_nodes, _shards, _replicas) = (nodes, shards, replicas);

    private int Keepers => _nodes.Values.Count(node => node.Keeps);

    private int Wanted => Math.Min(_replicas ?? Keepers, Keepers);

    internal static PlacedCluster Drawn(int seed)
    {
        var random = new Random(seed);
        string?[] zones = [null, "a", "b", "c"];
        SortedDictionary<int, PlacementNode> nodes = [];
        int count = 1 + random.Next(8), down = random.Next(2) * random.Next(3);
        for (int node = 0; node < count; node++) nodes[node] = new PlacementNode(zones[random.Next(zones.Length)], node == 0 || random.Next(4) > 0, random.Next(6) >= down);
        SortedDictionary<long, ShardStatus> shards = [];
        for (int shard = random.Next(9); shard >= 0; shard--)
        {
            int[] all = [.. Enumerable.Range(0, count)];
            random.Shuffle(all);
            int[] ensemble = all[..(1 + random.Next(count))], others = all[ensemble.Length..];
            int[]? next = random.Next(6) > 0 ? null : others.Length > 0 && random.Next(2) == 0 ? [.. ensemble, others[0]] : ensemble.Length > 1 ? ensemble[1..] : null;
            int observer = next is null && others.Length > 0 && random.Next(6) == 0 ? others[0] : ShardStatus.Nobody;
            shards[shard] = new ShardStatus(1, ensemble[0], ensemble, next, "", observer);
        }

        return new PlacedCluster(nodes, shards, random.Next(4) == 0 ? null : 1 + random.Next(5));
    }

    internal PlacedCluster Copy() => new(_nodes, new SortedDictionary<long, ShardStatus>(_shards), _replicas);

    /// <summary>Begins the next step; or, where there is none, ends the first change that is under way.</summary>
    /// <returns>False where neither is to be done.</returns>
    internal bool TryStep(Func<long, bool> canChange)
    {
        if (Placement.Next(_nodes, _shards, _replicas, canChange) is { } step)
        {
            ShardStatus before = _shards[step.Shard];
            _last = (before, step.Ensemble);
            _shards[step.Shard] = step.Ensemble.Count > before.Ensemble.Count ? before with { Observer = step.Ensemble[^1] }
                : step.Ensemble.Count < before.Ensemble.Count ? before with { Next = step.Ensemble }
                : before with { Observer = ShardStatus.Nobody };
            return true;
        }

        _last = default;
        foreach ((long shard, ShardStatus status) in _shards)
        {
            if (status.Next is { } next) _shards[shard] = status with { Ensemble = next, Next = null, Leader = next[0] };
            else if (status.Observer != ShardStatus.Nobody) _shards[shard] = status with { Ensemble = [.. status.Ensemble, status.Observer], Observer = ShardStatus.Nobody };
            else continue;
            return true;
        }

        return false;
    }

    internal void CheckStep()
    {
        if (_last is not { Before: { } before, After: { } after }) return;
        Assert.Null(before.Next);
        int[] more = [.. after.Except(before.Ensemble)], less = [.. before.Ensemble.Except(after)];
        if (before.Observer != ShardStatus.Nobody)
        {
            Assert.Equal((0, 0, false), (more.Length, less.Length, _nodes[before.Observer].Keeps));
            return;
        }

        Assert.Equal(1, more.Length + less.Length);
        Assert.All(more, node => Assert.True(_nodes[node] is { Keeps: true, IsUp: true }, $"node {node} is given a shard: {this}"));
        Assert.True(less.Length == 0 || after.Count >= Wanted, $"too few are left: {this}");
        Assert.True(less.Length == 0 || _nodes[less[0]].Keeps is false || after.All(node => _nodes[node].Keeps), $"one goes that may stay, and another stays that may not: {this}");
    }

    internal void CheckEnd()
    {
        foreach (ShardStatus status in _shards.Values)
        {
            int[] could = [.. _nodes.Where(node => node.Value is { Keeps: true, IsUp: true } && !status.Ensemble.Contains(node.Key)).Select(node => node.Key)];
            int keepers = status.Ensemble.Count(node => _nodes[node].Keeps);
            Assert.True(status is { Next: null, Observer: ShardStatus.Nobody }, $"it still changes: {this}");
            Assert.True(keepers == Wanted || (keepers < Wanted && could.Length == 0), $"{keepers} keep a shard that may, and {Wanted} shall: {this}");
            Assert.True(status.Ensemble.Count == Wanted || (keepers < Wanted && status.Ensemble.Count < Wanted), $"{status.Ensemble.Count} keep a shard, and {Wanted} shall: {this}");
        }

        if (_shards.Values.Any(status => status.Ensemble.Any(node => !_nodes[node].Keeps))) return;
        foreach (ShardStatus status in _shards.Values)
        {
            foreach (int to in _nodes.Where(node => node.Value is { Keeps: true, IsUp: true } && !status.Ensemble.Contains(node.Key)).Select(node => node.Key))
            {
                foreach (int from in status.Ensemble)
                {
                    int gained = ZonesOf(status.Ensemble.Where(node => node != from).Append(to)) - ZonesOf(status.Ensemble);
                    Assert.True(gained <= 0, $"{to} in place of {from} would be in another zone: {this}");
                    Assert.True(gained < 0 || CountOf(from) - CountOf(to) <= 1, $"{from} keeps more than {to}: {this}");
                }
            }
        }
    }

    public override string ToString() => $"{_replicas} of {string.Join(", ", _nodes)}: {string.Join("; ", _shards.Values)}";

    private int CountOf(int node) => _shards.Values.Count(status => status.Ensemble.Contains(node));

    private int ZonesOf(IEnumerable<int> nodes) => nodes.Select(node => _nodes[node].Zone ?? $"node {node}").Distinct().Count();
}
