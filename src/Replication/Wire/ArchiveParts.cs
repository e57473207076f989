using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;
using Tidemark.Storage.Archive;

namespace Tidemark.Replication.Wire;

/// <summary>A shard is to be copied to the archive, from a replica, up to an entry that is new.</summary>
/// <param name="After">That entry's time is to be later.</param>
/// <param name="MayMiss">Whether entries may be missing, where the replica's log begins behind what the archive has.</param>
internal readonly record struct CopyDemand(HybridTimestamp After, bool MayMiss)
{
    private const int Fields = 2;

    internal ReadOnlyMemory<byte> ToBytes()
    {
        var output = new ArrayBufferWriter<byte>(16);
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(Fields);
        writer.Write(After.Value);
        writer.Write(MayMiss);
        writer.Flush();
        return output.WrittenMemory;
    }

    /// <exception cref="MalformedDataException">It is none.</exception>
    internal static CopyDemand Read(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        CommandParts.ReadArrayOf(Fields, ref reader);
        var demand = new CopyDemand(new HybridTimestamp(reader.ReadUInt64()), reader.ReadBoolean());
        reader.ReadEnd();
        return demand;
    }
}

/// <summary>What came of a demand so far.</summary>
internal enum CopyState : byte
{
    /// <summary>It is under way: ask again.</summary>
    UnderWay = 0,

    /// <summary>All up to the answer's position is there.</summary>
    Copied = 1,

    /// <summary>Nothing was copied: entries would be missing.</summary>
    WouldMiss = 2,
}

/// <summary>What came of a demand.</summary>
/// <param name="State">How far it is.</param>
/// <param name="First">Where it was copied, the first entry that was.</param>
/// <param name="End">The last one.</param>
/// <param name="LastCommand">The last of them that is more than a mark or empty, or the entry before them.</param>
internal readonly record struct CopyAnswer(CopyState State, long First, StatePosition End, long LastCommand)
{
    private const int Fields = 3;

    /// <summary>All but the position, which the answer to a request has of its own.</summary>
    internal ReadOnlyMemory<byte> ToBytes()
    {
        var output = new ArrayBufferWriter<byte>(16);
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(Fields);
        writer.Write((long)State);
        writer.Write(First);
        writer.Write(LastCommand);
        writer.Flush();
        return output.WrittenMemory;
    }

    /// <exception cref="MalformedDataException">It is none.</exception>
    internal static CopyAnswer Read(in RouteAnswer answer)
    {
        var reader = new MessagePackReader(answer.Bytes.Span);
        CommandParts.ReadArrayOf(Fields, ref reader);
        var state = (CopyState)reader.ReadByte();
        if (state > CopyState.WouldMiss) throw ShardMessageCodec.Wrong(reader, $"how far a copy is, not {state}");
        var read = new CopyAnswer(state, reader.ReadInt64(), answer.Position, reader.ReadInt64());
        reader.ReadEnd();
        return read;
    }
}

/// <summary>A point was created.</summary>
/// <param name="Time">Its time.</param>
/// <param name="IsAhead">Whether more than empty entries may be there that are later.</param>
/// <param name="Ends">By shard, the entry behind the last that is there.</param>
internal sealed record ArchivedNews(HybridTimestamp Time, bool IsAhead, IReadOnlyDictionary<long, long> Ends)
{
    private const int Fields = 3;

    internal ReadOnlyMemory<byte> ToBytes()
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(Fields);
        writer.Write(Time.Value);
        writer.Write(IsAhead);
        ArchivePoint.WriteEnds(ref writer, Ends);
        writer.Flush();
        return output.WrittenMemory;
    }

    /// <exception cref="MalformedDataException">It is none.</exception>
    internal static ArchivedNews Read(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        CommandParts.ReadArrayOf(Fields, ref reader);
        var time = new HybridTimestamp(reader.ReadUInt64());
        bool isAhead = reader.ReadBoolean();
        SortedDictionary<long, long> ends = ArchivePoint.ReadEnds(ref reader);
        reader.ReadEnd();
        return new ArchivedNews(time, isAhead, ends);
    }
}
