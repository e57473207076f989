using System.Buffers;

using Tidemark.Core.MessagePack;
using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>Where a shard's log was cut, and whether it is to be: one row of the state. docs/compaction.md.</summary>
/// <param name="Wish">The entry that is to be before the next generation, or one behind it; null for none.</param>
/// <param name="Written">The last entry before <paramref name="QuietTo"/> that was no cut; -1 for none.</param>
/// <param name="QuietTo">The last cut, which wrote this; -1 for none.</param>
/// <param name="Generations">The newest generations; none before the first cut.</param>
internal sealed record LogCuts(long? Wish, long Written, long QuietTo, IReadOnlyList<Generation> Generations)
{
    /// <summary>How many generations are remembered.</summary>
    private const int MostKept = 8;

    internal static LogCuts None { get; } = new(null, -1, -1, []);

    /// <summary>The generation that goes on.</summary>
    /// <param name="first">The id of the first one.</param>
    internal Generation Current(Guid first) => Generations.Count > 0 ? Generations[^1] : new Generation(0, first, StatePosition.Start, default);

    /// <summary>Whether a generation is the next, and its base is behind the one before.</summary>
    internal bool IsNext(in Generation generation) =>
        Generations.Count == 0 ? generation.Number == 1 : generation.Number == Generations[^1].Number + 1 && generation.Base.Offset > Generations[^1].Base.Offset;

    /// <summary>The same, where an entry has begun a generation.</summary>
    internal LogCuts With(in Generation generation) => this with
    {
        Wish = Wish > generation.Base.Offset ? Wish : null,
        Generations = [.. Generations.Skip(Generations.Count + 1 - MostKept), generation],
    };

    /// <summary>The same, noted at a cut.</summary>
    /// <param name="entry">The cut.</param>
    /// <param name="before">The entry before it that was no mark.</param>
    internal LogCuts At(long entry, long before) => this with { Written = before > QuietTo ? before : Written, QuietTo = entry };

    internal byte[] ToBytes()
    {
        var output = new ArrayBufferWriter<byte>(128);
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(4);
        CommandWriter.WriteOptional(ref writer, Wish);
        writer.Write(Written);
        writer.Write(QuietTo);
        writer.WriteArrayHeader(Generations.Count);
        foreach (Generation generation in Generations) generation.Write(ref writer);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    /// <exception cref="MalformedDataException">These are none.</exception>
    internal static LogCuts Read(ReadOnlySpan<byte> row)
    {
        var reader = new MessagePackReader(row);
        CommandParts.ReadArrayOf(4, ref reader);
        (long? wish, long written, long quietTo) = (CommandParts.ReadOptionalInt64(ref reader), reader.ReadInt64(), reader.ReadInt64());
        var generations = new Generation[reader.ReadArrayHeader()];
        for (int i = 0; i < generations.Length; i++) generations[i] = Generation.Read(ref reader);
        reader.ReadEnd();
        return new LogCuts(wish, written, quietTo, generations);
    }
}

/// <summary>The payload of a <see cref="KvCommand.Cut"/>.</summary>
/// <param name="Before">An entry that was to be before the generation, as an earlier answer said; null for this one.</param>
internal readonly record struct CutCommand(long? Before)
{
    internal void Write(IBufferWriter<byte> output)
    {
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(1);
        CommandWriter.WriteOptional(ref writer, Before);
        writer.Flush();
    }

    internal static CutCommand Read(scoped ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(1, ref reader);
        return new CutCommand(CommandParts.ReadOptionalInt64(ref reader));
    }
}

/// <summary>The answer to a <see cref="KvCommand.Cut"/>.</summary>
/// <param name="Status">Why there is none, or that there is.</param>
/// <param name="Wish">The entry that is to be before the next generation; null where the one that goes on is what was asked for.</param>
/// <param name="Current">The generation that goes on.</param>
internal readonly record struct CutAnswer(StoreStatus Status, long? Wish, Generation Current)
{
    internal void Write(IBufferWriter<byte> output)
    {
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(3);
        writer.Write((long)Status);
        CommandWriter.WriteOptional(ref writer, Wish);
        Current.Write(ref writer);
        writer.Flush();
    }

    /// <exception cref="MalformedDataException">It is none.</exception>
    internal static CutAnswer Read(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        CommandParts.ReadArrayOf(3, ref reader);
        var answer = new CutAnswer((StoreStatus)reader.ReadInt32(), CommandParts.ReadOptionalInt64(ref reader), Generation.Read(ref reader));
        reader.ReadEnd();
        return answer;
    }
}
