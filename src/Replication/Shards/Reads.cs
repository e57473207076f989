namespace Tidemark.Replication.Shards;

/// <summary>Reads that wait until their leader knows that it still leads.</summary>
internal sealed class Reads
{
    private readonly Queue<(long Ticket, Action<Exception?> Done)> _waiting = new();

    internal void Add(long ticket, Action<Exception?> done) => _waiting.Enqueue((ticket, done));

    /// <summary>Those with a ticket below one see all that was acknowledged before they came.</summary>
    internal void Answer(long below)
    {
        while (_waiting.TryPeek(out (long Ticket, Action<Exception?> Done) read) && read.Ticket < below) _waiting.Dequeue().Done(null);
    }

    internal void Refuse(Exception cause)
    {
        while (_waiting.TryDequeue(out (long Ticket, Action<Exception?> Done) read)) read.Done(cause);
    }
}
