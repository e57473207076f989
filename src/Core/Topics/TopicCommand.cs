namespace Tidemark.Core.Topics;

/// <summary>The kinds of entries in a partition's log. Stable numbers: docs/format/topic-entries.md.</summary>
internal enum TopicCommand : ushort
{
    /// <summary>The partition's settings from now on.</summary>
    Configure = 1,

    /// <summary>A batch of messages, at the offset that the leader found for it; or, without a message, why there is none.</summary>
    Append = 2,

    /// <summary>Messages before an offset go.</summary>
    Trim = 3,

    /// <summary>A consumer has read all before an offset.</summary>
    Release = 4,

    RegisterProducer = 5,

    ForgetProducers = 6,

    /// <summary>An append of a producer that is not its next: what it came to is looked up.</summary>
    Repeat = 7,
}
