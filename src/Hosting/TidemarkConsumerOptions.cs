namespace Tidemark;

/// <summary>Does the messages of a topic, one after another.</summary>
public interface IMessageHandler
{
    /// <summary>Does a message. It may be given again after a crash: see docs/consumers.md.</summary>
    /// <param name="message">The message.</param>
    /// <param name="cancellationToken">Cancelled when the host stops, or the partition is lost.</param>
    /// <remarks>What it throws has it called again after a while.</remarks>
    ValueTask HandleAsync(ConsumedMessage message, CancellationToken cancellationToken);
}

/// <summary>How a host's consumer reads a topic.</summary>
public sealed class TidemarkConsumerOptions
{
    /// <summary>The name of the store; empty, the default, for the one that has none.</summary>
    public string Store { get; set; } = "";

    /// <summary>How the member reads. Logger and time are the host's, where they are not set.</summary>
    public GroupOptions Member { get; set; } = new();

    /// <summary>How often a message is tried. <see cref="HandlerOptions.DeadLetters"/> is set by <see cref="DeadLetterTopic"/>.</summary>
    public HandlerOptions Attempts { get; set; } = new();

    /// <summary>The topic for messages at which all attempts failed. Created where it is missing, with the settings of <see cref="Create"/> or the defaults. Null, the default: such a message ends the service, and so the host.</summary>
    public string? DeadLetterTopic { get; set; }

    /// <summary>The settings with which topics are created that are missing; null, the default, where the topic must be there.</summary>
    public TopicOptions? Create { get; set; }
}
