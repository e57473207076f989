using Tidemark.Core.MessagePack;

namespace Tidemark.Core.KeyValue;

/// <summary>The kinds of log entries a key-value shard knows.</summary>
internal enum KvCommand : ushort
{
    None = 0,
    Configure = 1,
    Write = 2,
    OpenSession = 3,
    CloseSession = 4,
    ExpireSessions = 5,
    ExpireRecords = 6,
    RegisterClient = 7,
    ForgetClients = 8,

    /// <summary>What a client's push asks for. The leader makes a <see cref="Decide"/> of it before it gets its place; in a log it has no effect.</summary>
    Mutate = 9,
    Decide = 10,

    /// <summary>Wishes for a cut. Its answer is the generation that goes on, or for which entry a generation is to be waited for.</summary>
    Cut = 11,

    /// <summary>Ends a generation, and begins the next.</summary>
    EndLog = 12,
}

/// <summary>The operations of a write.</summary>
internal enum KvOperation
{
    Put = 0,
    Delete = 1,
    DeleteRange = 2,
}

/// <summary>Which of a client's writes a write is. Default: none's.</summary>
internal readonly ref struct WriteOrigin
{
    internal ReadOnlySpan<byte> Client { get; init; }

    internal long Sequence { get; init; }

    internal long Floor { get; init; }

    internal bool IsNone => Client.IsEmpty;

    internal static WriteOrigin Read(scoped ref MessagePackReader reader)
    {
        if (reader.TryReadNil()) return default;
        CommandParts.ReadArrayOf(3, ref reader);
        var origin = new WriteOrigin { Client = CommandParts.ReadId(ref reader), Sequence = reader.ReadInt64(), Floor = reader.ReadInt64() };
        if (origin.Sequence < 1 || origin.Floor < 0) throw new MalformedDataException(reader.Consumed, "a client's writes are numbered from 1");
        return origin;
    }
}

/// <summary>A put, read in place.</summary>
internal readonly ref struct PutOperation
{
    internal ReadOnlySpan<byte> Key { get; private init; }

    internal ReadOnlySpan<byte> Value { get; private init; }

    internal long? ExpectedVersion { get; private init; }

    internal ReadOnlySpan<byte> Session { get; private init; }

    internal bool HasPartitionKey { get; private init; }

    internal ReadOnlySpan<byte> PartitionKey { get; private init; }

    internal long? TimeToLiveMilliseconds { get; private init; }

    internal IndexEntry[] Indexes { get; private init; }

    internal long[]? Deltas { get; private init; }

    /// <summary>Reads what follows the operation's number.</summary>
    internal static PutOperation Read(scoped ref MessagePackReader reader)
    {
        ReadOnlySpan<byte> key = reader.ReadBytes();
        ReadOnlySpan<byte> value = reader.ReadBytes();
        long? expected = CommandParts.ReadOptionalInt64(ref reader);
        ReadOnlySpan<byte> session = reader.TryReadNil() ? default : CommandParts.ReadId(ref reader);
        bool hasPartitionKey = !reader.TryReadNil();
        ReadOnlySpan<byte> partitionKey = hasPartitionKey ? reader.ReadBytes() : default;
        if (partitionKey.Length > ushort.MaxValue) throw new MalformedDataException(reader.Consumed, "a partition key is longer than 65535 bytes");
        return new PutOperation
        {
            Key = key,
            Value = value,
            ExpectedVersion = expected,
            Session = session,
            HasPartitionKey = hasPartitionKey,
            PartitionKey = partitionKey,
            TimeToLiveMilliseconds = CommandParts.ReadOptionalInt64(ref reader),
            Indexes = ReadIndexes(ref reader),
            Deltas = ReadDeltas(ref reader),
        };
    }

    private static IndexEntry[] ReadIndexes(scoped ref MessagePackReader reader)
    {
        if (reader.TryReadNil()) return [];
        var entries = new IndexEntry[reader.ReadArrayHeader()];
        foreach (ref IndexEntry entry in entries.AsSpan())
        {
            CommandParts.ReadArrayOf(2, ref reader);
            entry = new IndexEntry(reader.ReadBytes().ToArray(), reader.ReadBytes().ToArray());
        }

        return entries;
    }

    private static long[]? ReadDeltas(scoped ref MessagePackReader reader)
    {
        if (reader.TryReadNil()) return null;
        var deltas = new long[reader.ReadArrayHeader()];
        foreach (ref long delta in deltas.AsSpan()) delta = reader.ReadInt64();
        return deltas;
    }
}

/// <summary>The parts that commands are read from.</summary>
internal static class CommandParts
{
    /// <summary>A write's beginning: whether it is the library's own, which may be about reserved keys, and which of a client's it is. Conditions and operations follow.</summary>
    internal static WriteOrigin ReadWrite(scoped ref MessagePackReader reader, out bool isOwn)
    {
        int parts = reader.ReadArrayHeader();
        isOwn = parts == 4 && reader.ReadBoolean();
        if (parts != (isOwn ? 4 : 3)) throw new MalformedDataException(reader.Consumed, "a write has 3 parts, or true and 3");
        return WriteOrigin.Read(ref reader);
    }

    internal static ReadOnlySpan<byte> ReadId(scoped ref MessagePackReader reader)
    {
        ReadOnlySpan<byte> id = reader.ReadBytes();
        if (id.Length != RowKeys.IdBytes) throw new MalformedDataException(reader.Consumed, $"an id has {RowKeys.IdBytes} bytes");
        return id;
    }

    internal static Guid ReadGuid(scoped ref MessagePackReader reader) => new(ReadId(ref reader), bigEndian: true);

    internal static long? ReadOptionalInt64(scoped ref MessagePackReader reader) => reader.TryReadNil() ? null : reader.ReadInt64();

    internal static void ReadArrayOf(int count, scoped ref MessagePackReader reader)
    {
        if (reader.ReadArrayHeader() != count) throw new MalformedDataException(reader.Consumed, $"an array of {count} stands here");
    }

    /// <summary>An operation's beginning: how many parts it has, and which it is.</summary>
    internal static KvOperation ReadOperation(scoped ref MessagePackReader reader)
    {
        int parts = reader.ReadArrayHeader();
        var operation = (KvOperation)reader.ReadInt32();
        int expected = operation switch
        {
            KvOperation.Put => 9,
            KvOperation.Delete => 3,
            KvOperation.DeleteRange => 4,
            _ => throw new MalformedDataException(reader.Consumed, $"there is no operation {operation}"),
        };
        return parts == expected ? operation : throw new MalformedDataException(reader.Consumed, $"operation {operation} has {expected} parts");
    }

    /// <summary>A range, without a header.</summary>
    internal static KeyRange ReadRange(scoped ref MessagePackReader reader)
    {
        int kind = reader.ReadInt32();
        ReadOnlySpan<byte> start = reader.ReadBytes(), end = reader.ReadBytes();
        return KeyRange.TryCreate(kind, start, end, out KeyRange? range)
            ? range
            : throw new MalformedDataException(reader.Consumed, $"there is no kind {kind} of range");
    }
}
