namespace Tidemark.Core.MessagePack;

/// <summary>What a reader accepts from a stranger.</summary>
internal sealed record MessagePackLimits
{
    /// <summary>The limits of a message that states none of its own.</summary>
    public static MessagePackLimits Default { get; } = new();

    /// <summary>How many arrays and maps may be open at once.</summary>
    public int MaxDepth { get; init; } = 64;

    /// <summary>The most elements of one array or pairs of one map: a reader that makes room for them needs more than the byte each took.</summary>
    public int MaxCollectionCount { get; init; } = 65_536;

    /// <summary>Whether only the forms our writer writes are accepted, so that equal values have equal bytes.</summary>
    public bool RequireCanonical { get; init; }
}
