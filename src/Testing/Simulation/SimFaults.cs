using Tidemark.Core.Replication;
using Tidemark.Replication.Nodes;

namespace Tidemark.Testing.Simulation;

/// <summary>Draws what goes wrong, and counts it: never more at once than the protocol promises to bear, and nothing any more once it is over.</summary>
internal sealed class SimFaults(ClusterSimulation cluster)
{
    /// <summary>How much faster or slower a clock may run than another that is right.</summary>
    internal const double MostDrift = 0.01;

    private static readonly int[] _storm = [1, 2, 5, 5, 6, 7, 8, 10, 24, 24, 25, 26];   // What changes leaders.
    private readonly SimWorld _world = cluster.World;

    /// <summary>Every kind of fault there is, as it is counted.</summary>
    internal static IReadOnlyList<string> Kinds { get; } =
    [
        "lost message", "doubled message", "reordered message", "late message", "clogged message", "cut message", "partition", "one-way partition",
        "process killed", "power lost", "crash at a disk operation", "crash in recovery", "pause", "slow disk", "bit flip", "read error", "write error", "flush error",
        "directory flush error", "disk full", "wiped disk", "disk rolled back", "clock jump", "clock drift", "status store down", "status answer lost", "node suspected",
        "second coordinator", "ensemble change", "leadership transfer", "lost client message", "stray state",
    ];

    /// <summary>What must come about with topics, as it is counted: else what is to hold then was never looked at.</summary>
    internal static IReadOnlyList<string> TopicSituations { get; } =
    [
        "retention", "trim", "purge", "base taken", "producer answered again", "producer answered again by a later leader", "producer forgotten", "append of known ids", "batch with known ids",
        "offset conflict", "append at an expected offset", "append of unknown outcome", "read at a follower", "message read", "message read backwards", "reader told what is kept", "reader ahead of a replica",
        "consumer told what is kept", "consumer lost its partition", "partition taken", "partition taken by another meanwhile", "offset stored", "store of unknown outcome", "trim of what a replica lacks",
        "member joined", "member left", "member died", "member paused", "member told what is kept", "message handled", "handler failed",
        "partition changed its owner", "partition given up", "partition lost", "settings changed", "partition added",
    ];

    /// <summary>Whether a node has another state than the others. They are compared, and who has a majority is right: nothing more may go wrong until it is noticed.</summary>
    private bool IsAnyStray => cluster.Nodes.Any(node => node.HasStrayState);

    internal void Start()
    {
        cluster.Store.KeepsEnsembles = () => IsAnyStray;   // Of two that remained neither would be right.
        _world.After(_world.Between(1500, 3000), Next);
    }

    private void Next()
    {
        if (!cluster.AreFaultsOn) return;
        SimNode node = cluster.Nodes[_world.Chance.Below(cluster.Nodes.Count)];
        int what = cluster.Plan.IsStormy && _world.Chance.Below(4) > 0 ? _storm[_world.Chance.Below(_storm.Length)] : _world.Chance.Below(28);
        if (IsAnyStray) what = -1;
        switch (what)
        {
            case 0: Weather(); break;
            case 1: Partition(isOneWay: false); break;
            case 2: Partition(isOneWay: true); break;
            case 3: Clog(); break;
            case 4: cluster.Network.HealLinks(); break;
            case 5 or 6: Crash(node, losesPower: true); break;
            case 7: Crash(node, losesPower: false); break;
            case 8: CrashAtOperation(node); break;
            case 9: CrashInRecovery(node); break;
            case 10: Do("pause", () => node.Pause(_world.Between(50, 3000))); break;
            case 11: SlowDisk(node); break;
            case 12: FlipBit(node); break;
            case 13: DiskError(node, FaultKind.ReadError, "read error"); break;
            case 14: DiskError(node, FaultKind.WriteError, "write error"); break;
            case 15: DiskError(node, FaultKind.FlushError, "flush error"); break;
            case 16: DiskError(node, FaultKind.DirectoryFlushError, "directory flush error"); break;
            case 17: FullDisk(node); break;
            case 18: Wipe(node); break;
            case 19: RollBack(node); break;
            case 20: Jump(node); break;
            case 21: Do("clock drift", () => node.Clock.Drift = ((2 * _world.Fraction()) - 1) * MostDrift); break;
            case 22: StoreDown(); break;
            case 23: cluster.Store.Unknown = _world.Chance.Coin() ? 0.2 : 0; break;
            case 24: Suspect(node); break;
            case 25: Change(node); break;
            case 26: HandOver(node); break;
            case 27: Stray(node); break;
        }

        _world.After(_world.Between(20, cluster.Plan.FaultPause.TotalMilliseconds), Next);
    }

    private void Do(string kind, Action fault)
    {
        _world.Count(kind);
        _world.Mark($"fault: {kind}");
        fault();
    }

    private void Weather()
    {
        bool isBad = _world.Chance.Coin();
        _world.Mark($"fault: network {(isBad ? "bad" : "good")}");
        cluster.Network.Loss = isBad ? 0.1 * _world.Fraction() : 0;
        cluster.Network.Doubling = isBad ? 0.1 * _world.Fraction() : 0;
        cluster.Network.Lateness = isBad ? 0.02 * _world.Fraction() : 0;
        cluster.Network.Reordering = isBad ? 0.3 * _world.Fraction() : 0;
        cluster.ClientLoss = isBad ? 0.05 * _world.Fraction() : 0;
    }

    private void Partition(bool isOneWay)
    {
        int side = 1 + _world.Chance.Below((1 << cluster.Nodes.Count) - 2);   // A set of nodes that is neither empty nor all.
        Do(isOneWay ? "one-way partition" : "partition", () =>
        {
            for (int from = 0; from < cluster.Nodes.Count; from++)
            {
                for (int to = 0; to < cluster.Nodes.Count; to++)
                {
                    bool isFromIn = (side >> from & 1) == 1, isToIn = (side >> to & 1) == 1;
                    if (isFromIn && !isToIn) cluster.Network.Cut(from, to);
                    if (!isOneWay && !isFromIn && isToIn) cluster.Network.Cut(from, to);
                }
            }
        });
        _world.After(_world.Between(100, cluster.Plan.IsStormy ? 1500 : 6000), cluster.Network.HealLinks);
    }

    private void Clog()
    {
        int from = _world.Chance.Below(cluster.Nodes.Count), to = _world.Chance.Below(cluster.Nodes.Count);
        cluster.Network.Clog(from, to);
        _world.After(_world.Between(200, 4000), cluster.Network.HealLinks);
    }

    private void Crash(SimNode node, bool losesPower)
    {
        if (!node.IsUp) return;
        Do(losesPower ? "power lost" : "process killed", () => node.Crash(losesPower));
        _world.After(_world.Between(10, cluster.Plan.IsStormy ? 800 : 5000), node.Start);
    }

    private void CrashAtOperation(SimNode node)
    {
        if (!node.IsUp) return;
        Do("crash at a disk operation", () => node.Disk.StopAt(node.Disk.OperationCount + 1 + _world.Chance.Below(12), _world.Chance.Coin() ? StopMoment.Before : StopMoment.Halfway));
    }

    private void CrashInRecovery(SimNode node)
    {
        if (!node.IsUp) return;
        Do("crash in recovery", () =>
        {
            node.Crash(losesPower: true);
            node.Disk.StopAt(node.Disk.OperationCount + 1 + _world.Chance.Below(20), _world.Chance.Coin() ? StopMoment.Before : StopMoment.Halfway);
        });
        _world.After(_world.Between(20, 500), node.Start);
    }

    private void SlowDisk(SimNode node)
    {
        Do("slow disk", () => node.DiskSlowness = 20 + (200 * _world.Fraction()));
        _world.After(_world.Between(100, 3000), () => node.DiskSlowness = cluster.Plan.DiskSlowness);
    }

    private void DiskError(SimNode node, FaultKind kind, string name)
    {
        if (!node.IsUp) return;
        Do(name, () => node.Disk.Fail(kind, 1 + _world.Chance.Below(4)));
    }

    private void FullDisk(SimNode node)
    {
        if (!node.IsUp) return;
        FaultyFileSystem disk = node.Disk;
        Do("disk full", () => disk.CapacityBytes = 1);
        _world.After(_world.Between(100, 3000), () => disk.CapacityBytes = long.MaxValue);
    }

    /// <summary>Whether the rest of every ensemble has all there is without a node.</summary>
    private bool CanLose(SimNode lost)
    {
        if (cluster.Store.Status is not { } status || cluster.Nodes.Any(node => node != lost && !node.IsUp)) return false;
        foreach ((long shard, ShardStatus found) in status.Shards)
        {
            if (found.Next is not null) return false;
            bool isEnough = found.Quorum.Holds(member => member != lost.Node && cluster.Nodes[member] is { IsUp: true, IsDiskOld: false, HasHiddenDamage: false } node
                && node.Drivers.TryGetValue(shard, out SimDriver? driver) && !driver.Host.Core.IsLost);
            if (!isEnough) return false;
        }

        return true;
    }

    private void Wipe(SimNode node)
    {
        if (!node.IsUp || !CanLose(node)) return;
        Do("wiped disk", () =>
        {
            node.Crash(losesPower: true);
            node.Wipe();
        });
        _world.After(_world.Between(20, 1000), node.Start);
    }

    private void RollBack(SimNode node)
    {
        if (!node.IsUp) return;
        if (!node.HasOldCopy)
        {
            node.KeepCopy();
            return;
        }

        if (!CanLose(node)) return;
        Do("disk rolled back", () =>
        {
            node.Crash(losesPower: true);
            node.RollBack();
        });
        _world.After(_world.Between(20, 1000), node.Start);
    }

    private void FlipBit(SimNode node)
    {
        if (!node.IsUp || node.Disk.IsStopped || !CanLose(node)) return;
        (string Path, long Length)[] files = [.. node.Files()];
        if (files.Length == 0) return;
        (string path, long length) = files[_world.Chance.Below(files.Length)];
        Do("bit flip", () =>
        {
            node.Crash(losesPower: false);
            node.DamagedShard = cluster.Oracles.Keys.Cast<long?>().FirstOrDefault(shard => SimNode.IsOf(shard!.Value, path)) ?? -1;
            node.Disk.FlipBit(path, _world.Chance.Below((int)length), _world.Chance.Below(8));
        });
        _world.After(_world.Between(20, 1000), node.Start);
    }

    private void Stray(SimNode node)
    {
        if (!node.IsUp || !node.Drivers.ContainsKey(ClusterSimulation.Shard) || !CanLose(node) || cluster.Plan.Kind is not KeyValueShardKind) return;
        long committed = cluster.Oracles[ClusterSimulation.Shard].Committed;
        if (node.HasStrayed || cluster.Nodes.Any(other => other.Drivers.TryGetValue(ClusterSimulation.Shard, out SimDriver? driver) && driver.Host.Core.Applied < committed - 50)) return;
        Do("stray state", () => node.Stray(ClusterSimulation.Shard));
    }

    /// <summary>A clock is set wrong, and after a while right again.</summary>
    private void Jump(SimNode node)
    {
        Do("clock jump", () => node.Clock.Offset = _world.Between(-2000, 2000));
        _world.After(_world.Between(100, 6000), () => node.Clock.Offset = TimeSpan.Zero);
    }

    private void StoreDown()
    {
        cluster.Store.IsDown = true;
        _world.Mark("fault: status store down");
        _world.After(_world.Between(100, 4000), () => cluster.Store.IsDown = false);
    }

    private void Suspect(SimNode node)
    {
        if (node.Host is not { } host || cluster.Store.Status is not { } status) return;
        int leader = status.Shards.Values.First().Leader;
        if (leader == ShardStatus.Nobody) return;
        Do("node suspected", () => host.Post(() => host.Coordinator.Suspect(leader)));
        SimNode other = cluster.Nodes[_world.Chance.Below(cluster.Nodes.Count)];
        if (other == node || other.Host is not { } second) return;
        Do("second coordinator", () =>
        {
            second.Post(() => second.Coordinator.ActAnyway(other.Clock.Steady + TimeSpan.FromSeconds(1)));
            second.Post(() => second.Coordinator.Suspect(leader));
        });
    }

    /// <summary>A node shall keep the shard no more, or may again.</summary>
    private void Change(SimNode node)
    {
        if (node.Host is not { } host || cluster.Store.Status is not { } status) return;
        int other = _world.Chance.Below(cluster.Nodes.Count);
        bool keeps = !status.NodeOf(other).Keeps;
        int keepers = status.Nodes.Values.Count(found => found.Keeps);
        if (!keeps && keepers <= Math.Max(2, cluster.Nodes.Count / 2)) return;
        if (cluster.Nodes.Any(member => member.HasHiddenDamage || member.IsDiskOld || !member.IsUp || member.Drivers.Values.Any(driver => driver.Host.Core.IsLost))) return;
        host.Post(() => Do("ensemble change", () => host.Coordinator.TryRewrite(known => known.WithKeeps(other, keeps))));
    }

    private void HandOver(SimNode node)
    {
        foreach (SimDriver driver in node.Drivers.Values)
        {
            if (!driver.Host.Core.IsServing) continue;
            int heir = _world.Chance.Below(cluster.Nodes.Count);
            if (heir == node.Node) continue;
            Do("leadership transfer", () => driver.Host.HandOverTo(heir));
        }
    }
}
