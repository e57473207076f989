namespace Tidemark;

/// <summary>How fresh a read must be.</summary>
/// <remarks>A local store has one copy, so there every read is linearizable whatever is asked.</remarks>
public readonly record struct ReadLevel
{
    private ReadLevel(ReadLevelKind kind, TimeSpan staleness)
    {
        Kind = kind;
        Staleness = staleness;
    }

    /// <summary>Sees every write that was acknowledged before the read began. The default.</summary>
    public static ReadLevel Linearizable => default;

    /// <summary>Sees what this node has applied.</summary>
    public static ReadLevel Local { get; } = new(ReadLevelKind.Local, TimeSpan.Zero);

    /// <summary>The level.</summary>
    public ReadLevelKind Kind { get; }

    /// <summary>For <see cref="ReadLevelKind.Bounded"/>: how old the answer may be.</summary>
    public TimeSpan Staleness { get; }

    /// <summary>Sees every write that was acknowledged that long before the read began, or earlier.</summary>
    /// <param name="staleness">Above zero. From about a heartbeat (50 ms) on the leader answers at once, without asking the others whether it still leads.</param>
    public static ReadLevel Bounded(TimeSpan staleness)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(staleness, TimeSpan.Zero);
        return new ReadLevel(ReadLevelKind.Bounded, staleness);
    }
}

/// <summary>The levels of <see cref="ReadLevel"/>.</summary>
public enum ReadLevelKind
{
    /// <summary>Sees every write acknowledged before.</summary>
    Linearizable = 0,

    /// <summary>Sees every write acknowledged a stated time before.</summary>
    Bounded = 1,

    /// <summary>Sees what the node has.</summary>
    Local = 2,
}
