using System.Buffers;
using System.Buffers.Binary;

using Tidemark.Core.Hashing;
using Tidemark.Core.MessagePack;
using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>What a key-value state counts besides its rows.</summary>
/// <param name="LastVersion">The highest version given to a record. Never falls, whatever is deleted.</param>
/// <param name="ChangeRows">How many change rows there are.</param>
/// <param name="ChangeBytes">The bytes of their values.</param>
/// <param name="Sessions">How many sessions there are.</param>
/// <param name="Clients">How many clients there are whose writes happen once.</param>
/// <param name="SyncClients">How many clients there are that sync.</param>
internal readonly record struct KvCounters(long LastVersion, long ChangeRows, long ChangeBytes, long Sessions, long Clients, long SyncClients);

/// <summary>Whose state it is.</summary>
internal readonly record struct KvIdentity(Guid StoreId, long ShardId)
{
    /// <summary>An id that every replica derives alike, and no other store.</summary>
    internal Guid LogId
    {
        get
        {
            Span<byte> bytes = stackalloc byte[RowKeys.IdBytes + sizeof(long)];
            StoreId.TryWriteBytes(bytes, bigEndian: true, out _);
            BinaryPrimitives.WriteInt64BigEndian(bytes[RowKeys.IdBytes..], ShardId);
            return MurmurHash3X64.Id(bytes);
        }
    }
}

/// <summary>The rows, counters and settings that the parts of the machine share, and the entry that is being applied.</summary>
internal sealed class KvState(StateTable table)
{
    private const int HeaderFormat = 1;
    private const int HeaderFields = 20;

    internal StateTable Table { get; } = table;

    internal KvCounters Counters { get; set; }

    /// <summary>The sum over (encoded key, version and value) of all records, and over all sync cursors.</summary>
    internal StateHash Content { get; set; }

    /// <summary>The settings in force; null before the shard was configured.</summary>
    internal KvSettings? Settings { get; set; }

    /// <summary>Where its log was cut, and is to be.</summary>
    internal LogCuts Cuts { get; set; } = LogCuts.None;

    /// <summary>The entry applied last, or being applied.</summary>
    internal StatePosition Position { get; set; } = StatePosition.Start;

    /// <summary>A state that begins with the same rows and goes its own way.</summary>
    internal KvState Fork() => new(Table.Fork()) { Counters = Counters, Content = Content, Settings = Settings, Cuts = Cuts, Position = Position };

    internal Savepoint Save() => new(Table.Save(), Counters, Content, Cuts);

    internal void Rollback(in Savepoint savepoint)
    {
        Table.Rollback(savepoint.Rows);
        Counters = savepoint.Counters;
        Content = savepoint.Content;
        Cuts = savepoint.Cuts;
    }

    /// <summary>The header row's value: everything that is not in the other rows.</summary>
    internal byte[] WriteHeader(KvIdentity identity)
    {
        var output = new ArrayBufferWriter<byte>(192);
        var writer = new MessagePackWriter(output);
        StateHeader.WriteStart(ref writer, HeaderFields, HeaderFormat, identity, Position);
        writer.Write(Counters.LastVersion);
        writer.Write(Counters.ChangeRows);
        writer.Write(Counters.ChangeBytes);
        writer.Write(Counters.Sessions);
        writer.Write(Counters.Clients);
        writer.Write(Counters.SyncClients);
        StateHash.WriteAlgorithm(ref writer);
        Table.Hash.Write(ref writer);
        Content.Write(ref writer);
        writer.Write(Settings is not null);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    /// <summary>Takes over what a header row says, and the settings row.</summary>
    /// <returns>Whose state the header says it is.</returns>
    /// <exception cref="MalformedDataException">It is no header of this format.</exception>
    internal KvIdentity ReadHeader(ReadOnlySpan<byte> header)
    {
        var reader = new MessagePackReader(header);
        (KvIdentity identity, Position) = StateHeader.ReadStart(ref reader, HeaderFields, HeaderFormat);
        Counters = new KvCounters(reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64());
        StateHash.ReadAlgorithm(ref reader);
        Table.Hash = StateHash.Read(ref reader);
        Content = StateHash.Read(ref reader);
        bool isConfigured = reader.ReadBoolean();
        reader.ReadEnd();
        Settings = null;
        if (isConfigured != Table.TryGet(RowKeys.Settings, out ReadOnlySpan<byte> settings))
            throw new MalformedDataException(0, "the header and the settings row disagree");
        if (isConfigured) Settings = KvSettings.Read(settings);
        Cuts = Table.TryGet(RowKeys.Cuts, out ReadOnlySpan<byte> cuts) ? LogCuts.Read(cuts) : LogCuts.None;
        return identity;
    }

    /// <summary>Where a state was.</summary>
    internal readonly record struct Savepoint(StateTable.Savepoint Rows, KvCounters Counters, StateHash Content, LogCuts Cuts);
}
