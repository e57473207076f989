namespace Tidemark;

/// <summary>What a replica does at the moment.</summary>
public enum ReplicaRole
{
    /// <summary>It knows its term and no leader in it.</summary>
    Fenced = 0,

    /// <summary>It takes entries from the leader of its term.</summary>
    Follower = 1,

    /// <summary>It leads its term.</summary>
    Leader = 2,

    /// <summary>It has seen what cannot be, or its disk failed, and it does nothing any more. The node opens it again.</summary>
    Stopped = 3,
}
