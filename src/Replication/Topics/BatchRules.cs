using System.Text;

using Tidemark.Core.Topics;

namespace Tidemark.Replication.Topics;

/// <summary>What holds for every batch, looked at before anything of it is sent.</summary>
internal static class BatchRules
{
    private static readonly UTF8Encoding _strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <exception cref="ArgumentException">There is no message, or one is not as messages are.</exception>
    /// <exception cref="LimitExceededException">A message, a part of one, or the batch is too long.</exception>
    internal static void Check(IReadOnlyList<TopicMessage> messages, TopicOptions options)
    {
        if (messages.Count == 0) throw new ArgumentException("A batch has at least one message.", nameof(messages));
        long batch = 0;
        for (int i = 0; i < messages.Count; i++)
        {
            TopicMessage message = messages[i] ?? throw new ArgumentException($"Message {i} of the batch is null.", nameof(messages));
            long bytes = LengthOf(message);
            Require("message", bytes, options.MaxMessageBytes, nameof(TopicOptions.MaxMessageBytes));
            batch += MessageCodec.LengthOf(message);
        }

        // One message may be as long as messages may be, whatever is stored with it.
        if (messages.Count > 1) Require("batch", batch, options.MaxBatchBytes, nameof(TopicOptions.MaxBatchBytes));
    }

    /// <summary>Id, key, headers and payload together, in bytes.</summary>
    private static long LengthOf(TopicMessage message)
    {
        int key = message.Key?.Length ?? 0;
        Require("key of a message", key, TopicMessage.LargestKeyBytes, nameof(TopicMessage.LargestKeyBytes));
        ArgumentNullException.ThrowIfNull(message.Headers);
        Require("count of a message's headers", message.Headers.Count, TopicMessage.MostHeaders, nameof(TopicMessage.MostHeaders));
        long bytes = MessageCodec.IdBytes + key + message.Payload.Length;
        for (int i = 0; i < message.Headers.Count; i++) bytes += LengthOf(message.Headers[i]);
        return bytes;
    }

    private static long LengthOf(in MessageHeader header)
    {
        ArgumentException.ThrowIfNullOrEmpty(header.Name);
        int name = _strictUtf8.GetByteCount(header.Name);   // Half a surrogate pair is an ArgumentException.
        Require("name of a header", name, TopicMessage.LargestHeaderNameBytes, nameof(TopicMessage.LargestHeaderNameBytes));
        return name + header.Value.Length;
    }

    private static void Require(string what, long actual, long limit, string setting)
    {
        if (actual > limit) throw new LimitExceededException(what, actual, limit, setting);
    }
}
