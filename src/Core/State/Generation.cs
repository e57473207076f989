using System.Buffers.Binary;

using Tidemark.Core.Diagnostics;
using Tidemark.Core.Hashing;
using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;

namespace Tidemark.Core.State;

/// <summary>A part of a shard's history that begins behind a cut. docs/compaction.md.</summary>
/// <param name="Number">Which it is; 0 for the first, which begins with nothing.</param>
/// <param name="LogId">Its id: replicas that cut the same history behind the same entry give it the same one, and no other history does.</param>
/// <param name="Base">The last entry before it.</param>
/// <param name="Hash">The hash of the state behind that entry, on which a majority has agreed.</param>
internal readonly record struct Generation(long Number, Guid LogId, StatePosition Base, StateHash Hash)
{
    private const int Fields = 7;

    /// <summary>The generation that begins behind an entry.</summary>
    internal Generation Next(StatePosition end, StateHash hash)
    {
        Span<byte> bytes = stackalloc byte[RowKeys.IdBytes + (5 * sizeof(long))];
        LogId.TryWriteBytes(bytes, bigEndian: true, out _);
        Span<ulong> numbers = [(ulong)Number + 1, (ulong)end.Offset, end.Timestamp.Value, hash.Low, hash.High];
        for (int i = 0; i < numbers.Length; i++) BinaryPrimitives.WriteUInt64BigEndian(bytes[(RowKeys.IdBytes + (i * sizeof(ulong)))..], numbers[i]);
        return new Generation(Number + 1, MurmurHash3X64.Id(bytes), end, hash);
    }

    internal void Write(scoped ref MessagePackWriter writer)
    {
        writer.WriteArrayHeader(Fields);
        writer.Write(Number);
        CommandWriter.WriteId(ref writer, LogId);
        writer.Write(Base.Term);
        writer.Write(Base.Offset);
        writer.Write(Base.Timestamp.Value);
        StateHash.WriteAlgorithm(ref writer);
        Hash.WriteArray(ref writer);
    }

    /// <exception cref="MalformedDataException">It is none, or its hash is of an unknown algorithm.</exception>
    internal static Generation Read(scoped ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(Fields, ref reader);
        (long number, Guid id) = (reader.ReadInt64(), CommandParts.ReadGuid(ref reader));
        var position = new StatePosition(reader.ReadInt64(), reader.ReadInt64(), new HybridTimestamp(reader.ReadUInt64()));
        StateHash.ReadAlgorithm(ref reader);
        return new Generation(number, id, position, StateHash.ReadArray(ref reader));
    }
}

/// <summary>A state machine whose log is cut into generations by entries of its own.</summary>
internal interface ICutsLog
{
    /// <summary>The newest generations, the last of which goes on; none before the first cut.</summary>
    IReadOnlyList<Generation> Generations { get; }

    /// <summary>The generation that goes on; null before the first cut.</summary>
    Generation? Newest => Generations.Count > 0 ? Generations[^1] : null;

    /// <summary>Where the generation before the newest began: from there on whoever was away gets entries, not the state. <see cref="long.MaxValue"/> before the first cut.</summary>
    long UncutFrom => Generations switch
    {
        { Count: > 0 } cuts when Planted.Is(PlantedBug.PreviousGenerationCollected) => cuts[^1].Base.Offset + 1,
        { Count: > 1 } cuts => cuts[^2].Base.Offset + 1,
        { Count: 1 } => 0,
        _ => long.MaxValue,
    };
}
