using Tidemark.Replication.Consumers;

namespace Tidemark;

/// <summary>A message that a consumer was given.</summary>
public sealed class ConsumedMessage
{
    private readonly PartitionFeed _feed;

    internal ConsumedMessage(string topic, PartitionFeed feed, StoredMessage message) => (Topic, _feed, Message) = (topic, feed, message);

    /// <summary>The topic's name.</summary>
    public string Topic { get; }

    /// <summary>The message as it was read: its id, headers and times.</summary>
    public StoredMessage Message { get; }

    /// <summary>The partition it is in.</summary>
    public int Partition => Message.Partition;

    /// <summary>Its place there.</summary>
    public long Offset => Message.Offset;

    /// <summary>Its key, or null.</summary>
    public StoreKey? Key => Message.Key;

    /// <summary>Its bytes.</summary>
    public ReadOnlyMemory<byte> Payload => Message.Payload;

    /// <summary>Cancelled when the consumer lost the partition: somebody else is given the message.</summary>
    public CancellationToken Lost => _feed.Left;

    /// <summary>Cancelled when the partition is to go to another member, which waits for this message.</summary>
    internal CancellationToken Leaving => _feed.Leaving;

    /// <summary>Whether who had it says that it was not done.</summary>
    internal bool IsHandedBack { get; set; }

    internal PartitionFeed Feed => _feed;

    /// <summary>Stores that this message, and all before it in its partition, are done.</summary>
    /// <param name="cancellationToken">Ends the wait; it may still be stored.</param>
    /// <returns>False where the partition is another member's meanwhile: nothing was stored, and the message is handled there too.</returns>
    /// <exception cref="OutcomeUnknownException">Nobody knows whether it was stored. Storing once more, or a later message, does no harm.</exception>
    /// <remarks>One durable write.</remarks>
    public async ValueTask<bool> StoreAsync(CancellationToken cancellationToken = default)
    {
        if (!await _feed.Claim.TryStoreAsync(Offset + 1, cancellationToken).ConfigureAwait(false)) return false;
        _feed.AcceptStored(Offset + 1);
        return true;
    }
}
