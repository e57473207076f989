namespace Tidemark.Replication.Shards;

/// <summary>Reads that wait until their leader knows that it still leads.</summary>
internal sealed class Reads
{
    private readonly Queue<(long Ticket, StatePosition At, ReadDone Done)> _waiting = new();

    /// <param name="ticket">What the core gave for it.</param>
    /// <param name="at">The state when it came: all that was acknowledged by then is in it.</param>
    /// <param name="done">Told so.</param>
    internal void Add(long ticket, StatePosition at, ReadDone done) => _waiting.Enqueue((ticket, at, done));

    /// <summary>Those with a ticket below one see all that was acknowledged before they came.</summary>
    internal void Answer(long below)
    {
        while (_waiting.TryPeek(out (long Ticket, StatePosition At, ReadDone Done) read) && read.Ticket < below) _waiting.Dequeue().Done(null, read.At);
    }

    internal void Refuse(Exception cause)
    {
        while (_waiting.TryDequeue(out (long Ticket, StatePosition At, ReadDone Done) read)) read.Done(cause, default);
    }
}

/// <summary>Told that a read may look at the state, or why that cannot be known.</summary>
/// <param name="refusal">Why not; null where it may.</param>
/// <param name="at">What must be applied to see all that was acknowledged before the read came. The state here may be ahead by then.</param>
internal delegate void ReadDone(Exception? refusal, StatePosition at);
