using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;

namespace Tidemark.Core.State;

/// <summary>What the header row of every machine begins with: its format, whose state it is, and behind which entry.</summary>
internal static class StateHeader
{
    /// <param name="writer">The output.</param>
    /// <param name="fields">How many fields the header has in all.</param>
    /// <param name="format">Its format.</param>
    /// <param name="identity">Whose state it is.</param>
    /// <param name="position">Behind which entry.</param>
    internal static void WriteStart(ref MessagePackWriter writer, int fields, int format, KvIdentity identity, in StatePosition position)
    {
        writer.WriteArrayHeader(fields);
        writer.Write((long)format);
        CommandWriter.WriteId(ref writer, identity.StoreId);
        writer.Write(identity.ShardId);
        writer.Write(position.Term);
        writer.Write(position.Offset);
        writer.Write(position.Timestamp.Value);
    }

    /// <exception cref="MalformedDataException">It is no header of that format.</exception>
    internal static (KvIdentity Identity, StatePosition Position) ReadStart(scoped ref MessagePackReader reader, int fields, int format)
    {
        if (reader.ReadArrayHeader() != fields || reader.ReadInt32() != format) throw new MalformedDataException(0, $"a header of format {format} has {fields} fields");
        var identity = new KvIdentity(CommandParts.ReadGuid(ref reader), reader.ReadInt64());
        return (identity, new StatePosition(reader.ReadInt64(), reader.ReadInt64(), new HybridTimestamp(reader.ReadUInt64())));
    }
}
