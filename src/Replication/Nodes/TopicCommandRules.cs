using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;
using Tidemark.Core.Topics;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Nodes;

/// <summary>Looks whether a caller's command to a partition is such as a program's own topic gives.</summary>
internal static class TopicCommandRules
{
    /// <returns>What it comes to.</returns>
    /// <exception cref="ArgumentException">A caller may not give such a command.</exception>
    /// <exception cref="LimitExceededException">A message, or the batch, is too long.</exception>
    /// <exception cref="MalformedDataException">It is none.</exception>
    internal static ClientOperationKind Check(CommandRequest request, TopicOptions options)
    {
        var reader = new MessagePackReader(request.Payload.Span);
        ClientOperationKind kind = Check((TopicCommand)request.Command, ref reader, request.Payload.Length, options);
        reader.ReadEnd();
        return kind;
    }

    private static ClientOperationKind Check(TopicCommand command, ref MessagePackReader reader, int length, TopicOptions options)
    {
        switch (command)
        {
            case TopicCommand.Append:
                CheckBatch(ref reader, length, options);
                return ClientOperationKind.Append;
            case TopicCommand.RegisterProducer:
                CommandParts.ReadArrayOf(1, ref reader);
                CommandParts.ReadId(ref reader);
                return ClientOperationKind.Append;
            case TopicCommand.ForgetProducers:
                CommandParts.ReadArrayOf(1, ref reader);
                CommandParts.ReadArrayOf(2, ref reader);
                CommandParts.ReadId(ref reader);
                reader.ReadNil();
                return ClientOperationKind.Append;
            case TopicCommand.Release:
                CommandParts.ReadArrayOf(1, ref reader);
                reader.ReadInt64();
                return ClientOperationKind.Trim;
            default:
                throw new ArgumentException($"A client may not give commands of kind {(ushort)command} to a topic.", nameof(command));
        }
    }

    private static void CheckBatch(ref MessagePackReader reader, int length, TopicOptions options)
    {
        BatchHead head = BatchCodec.ReadHead(ref reader);
        if (head.Count == 0 || head.Duplicates != 0) throw ShardMessageCodec.Wrong(reader, "a batch of messages of which none was left out yet");
        for (int left = head.Count; left > 0; left--)
        {
            long begin = reader.Consumed;
            MessageCodec.Check(ref reader);
            Require("message", reader.Consumed - begin, options.MaxMessageBytes, nameof(TopicOptions.MaxMessageBytes));
        }

        if (head.Count > 1) Require("batch", length, options.MaxBatchBytes, nameof(TopicOptions.MaxBatchBytes));
    }

    private static void Require(string what, long actual, int limit, string setting)
    {
        if (actual > (long)limit + NamespaceOptions.CommandRoom) throw new LimitExceededException(what, actual, limit, setting);   // Its encoding is no part of the limit.
    }
}
