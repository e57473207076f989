namespace Tidemark.Core.Replication;

/// <summary>What a replica asks its host to do.</summary>
internal enum EffectKind : byte
{
    /// <summary>Append entries to the log's memory: those of a proposal, or those that came with the message being handled.</summary>
    Persist,

    /// <summary>As <see cref="Persist"/>: the entry that begins the leader's term.</summary>
    BeginTerm,

    /// <summary>Make everything appended durable, and say so when it is.</summary>
    Flush,

    /// <summary>Write term and lostness durably, and say so when they are.</summary>
    Save,

    /// <summary>Remove entries at <see cref="Effect.From"/> and above, durably, at once.</summary>
    Truncate,

    /// <summary>Fetch the state that <see cref="Install"/> offers, and say so when it is here, checked, and ready to replace state and log in one step.</summary>
    Fetch,

    /// <summary>Replace state and log by what was fetched, durably, at once: the log begins at <see cref="Effect.From"/>.</summary>
    Replace,

    /// <summary>Send a message to a node, with the bytes of its entries or its state.</summary>
    Send,

    /// <summary>The entries are on a majority for good.</summary>
    Commit,

    /// <summary>Apply the entries to the state machine.</summary>
    Apply,

    /// <summary>Answer whoever proposed the entries.</summary>
    Answer,

    /// <summary>Answer the reads with tickets up to <see cref="Effect.To"/>, excluded.</summary>
    AnswerReads,

    /// <summary>Take proposals and reads from now on.</summary>
    Serve,

    /// <summary>Take none any more; of those under way nobody knows what comes of them.</summary>
    Abandon,

    /// <summary>Stop the replica with an alarm: what has happened cannot happen.</summary>
    Stop,

    /// <summary>Stop the replica and give its state up: behind the mark at <see cref="Effect.From"/> it was another than that of a majority.</summary>
    Quarantine,

    /// <summary>Stop the replica with an alarm, and delete nothing: behind the mark at <see cref="Effect.From"/> no majority has one state.</summary>
    StopDivided,
}

/// <summary>One thing to do. Effects are carried out in the order given.</summary>
/// <param name="Kind">What to do.</param>
/// <param name="From">The first offset it is about.</param>
/// <param name="To">The offset after the last.</param>
/// <param name="Node">To whom a message goes.</param>
/// <param name="Message">The message.</param>
internal readonly record struct Effect(EffectKind Kind, long From = 0, long To = 0, int Node = 0, ReplicaMessage? Message = null)
{
    public override string ToString() => Kind switch
    {
        EffectKind.Send => $"{Kind} to {Node}: {Message}",
        EffectKind.Truncate or EffectKind.Replace => $"{Kind} to {From}",
        EffectKind.Quarantine or EffectKind.StopDivided => $"{Kind} at {From}",
        EffectKind.Flush or EffectKind.Save or EffectKind.Serve or EffectKind.Abandon or EffectKind.Stop => $"{Kind}",
        EffectKind.Fetch => $"{Kind} from {Node}: {Message}",
        EffectKind.AnswerReads => $"{Kind} below {To}",
        _ => $"{Kind} {From}..{To}",
    };
}
