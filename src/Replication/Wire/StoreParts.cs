using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;

namespace Tidemark.Replication.Wire;

/// <summary>The parts that requests of clients and their answers are made of.</summary>
internal static class StoreParts
{
    internal static void Write(ref MessagePackWriter writer, StoreKey? key)
    {
        if (key is { } given) writer.Write(given.Span);
        else writer.WriteNil();
    }

    internal static StoreKey ReadKey(ref MessagePackReader reader) => reader.ReadBytes().ToArray();

    internal static StoreKey? ReadOptionalKey(ref MessagePackReader reader) => reader.TryReadNil() ? (StoreKey?)null : ReadKey(ref reader);

    internal static void Write(ref MessagePackWriter writer, KeyRange range)
    {
        writer.WriteArrayHeader(3);
        writer.Write((long)range.Kind);
        writer.Write(range.Start.Span);
        writer.Write(range.End.Span);
    }

    internal static KeyRange ReadRange(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(3, ref reader);
        return CommandParts.ReadRange(ref reader);
    }

    internal static void Write(ref MessagePackWriter writer, ReadLevel level)
    {
        writer.WriteArrayHeader(2);
        writer.Write((long)level.Kind);
        writer.Write(level.Staleness.Ticks);
    }

    internal static ReadLevel ReadLevel(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(2, ref reader);
        (var kind, long ticks) = ((ReadLevelKind)reader.ReadByte(), reader.ReadInt64());
        return (kind, ticks) switch
        {
            (ReadLevelKind.Linearizable, 0) => Tidemark.ReadLevel.Linearizable,
            (ReadLevelKind.Bounded, > 0) => Tidemark.ReadLevel.Bounded(TimeSpan.FromTicks(ticks)),
            (ReadLevelKind.Local, 0) => Tidemark.ReadLevel.Local,
            _ => throw ShardMessageCodec.Wrong(reader, $"a level with its time, not {kind} with {ticks}"),
        };
    }

    /// <summary>A place in the changes, or null.</summary>
    internal static WatchToken? ReadPlace(ref MessagePackReader reader)
    {
        if (reader.ReadString() is not { } text) return null;
        return WatchToken.TryParse(text, null, out WatchToken? token) ? token : throw ShardMessageCodec.Wrong(reader, "a watch token");
    }

    /// <summary>A record's row, as an array of its own.</summary>
    internal static byte[] ReadRow(ref MessagePackReader reader)
    {
        byte[] row = reader.ReadBytes().ToArray();
        return RecordRow.IsWhole(row) ? row : throw ShardMessageCodec.Wrong(reader, "a record's row");
    }
}
