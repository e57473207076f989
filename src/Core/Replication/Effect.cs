namespace Tidemark.Core.Replication;

/// <summary>What a replica asks its host to do.</summary>
internal enum EffectKind : byte
{
    /// <summary>Append the entries to the log's memory.</summary>
    Persist,

    /// <summary>Make everything appended durable, and say so when it is.</summary>
    Flush,

    /// <summary>Send the entries to a peer.</summary>
    Send,

    /// <summary>The entries are on a majority for good.</summary>
    Commit,

    /// <summary>Apply the entries to the state machine.</summary>
    Apply,

    /// <summary>Answer whoever proposed the entries.</summary>
    Answer,
}

/// <summary>One thing to do. Effects are carried out in the order given.</summary>
/// <param name="Kind">What to do.</param>
/// <param name="From">The first offset it is about.</param>
/// <param name="To">The offset after the last.</param>
internal readonly record struct Effect(EffectKind Kind, long From, long To);
