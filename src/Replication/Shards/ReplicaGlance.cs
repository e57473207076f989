namespace Tidemark.Replication.Shards;

/// <summary>A replica at one moment, for whoever looks from another thread.</summary>
internal sealed record ReplicaGlance(int KnownLeader, long Term, ReplicaRole Role, long Head, long Committed, long Applied, bool IsLost)
{
    internal ReplicaOverview ToOverview() => new(Role, Head, Committed, Applied, IsLost);
}
