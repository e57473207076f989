namespace Tidemark;

/// <summary>What a program is asked because it cannot be known which mutations of its timeline were applied. docs/rebase.md.</summary>
public enum LocalStoreQuestion
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The store's directory was copied, and both copies called mutations.</summary>
    Forked = 1,

    /// <summary>The server has forgotten the client, which was away too long.</summary>
    ClientUnknown = 2,
}

/// <summary>What is to become of the mutations of the timeline.</summary>
public enum LocalStoreAnswer
{
    /// <summary>They are pushed as those of a new client. One that was applied already is applied twice.</summary>
    PushAgain = 1,

    /// <summary>They are dropped. One that was applied already stays so; their outcomes are unknown.</summary>
    Discard = 2,
}
