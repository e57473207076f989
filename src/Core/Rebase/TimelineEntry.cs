using System.Buffers;
using System.Buffers.Binary;

using Tidemark.Core.Hashing;
using Tidemark.Core.MessagePack;

namespace Tidemark.Core.Rebase;

/// <summary>A mutation that was called: what a client's timeline holds and a push carries.</summary>
/// <param name="Id">Its place in the client's timeline, from 1.</param>
/// <param name="Name">The mutator's name.</param>
/// <param name="Version">The mutator's version.</param>
/// <param name="Time">When it was called.</param>
/// <param name="Arguments">The arguments' bytes.</param>
internal sealed record TimelineEntry(long Id, string Name, int Version, HybridTimestamp Time, ReadOnlyMemory<byte> Arguments)
{
    internal const int MaxNameBytes = 128;

    internal void Write(scoped ref MessagePackWriter writer)
    {
        writer.WriteArrayHeader(5);
        writer.Write(Id);
        writer.Write(Name);
        writer.Write((long)Version);
        writer.Write(Time.Value);
        writer.Write(Arguments.Span);
    }

    /// <exception cref="MalformedDataException">It is no mutation.</exception>
    internal static TimelineEntry Read(scoped ref MessagePackReader reader)
    {
        if (reader.ReadArrayHeader() != 5) throw new MalformedDataException(reader.Consumed, "a mutation has 5 fields");
        long id = reader.ReadInt64();
        if (!reader.TryReadStringSpan(out ReadOnlySpan<byte> name) || name.Length is 0 or > MaxNameBytes)
            throw new MalformedDataException(reader.Consumed, $"a mutator's name has 1 to {MaxNameBytes} bytes");
        var entry = new TimelineEntry(id, System.Text.Encoding.UTF8.GetString(name), reader.ReadInt32(), new HybridTimestamp(reader.ReadUInt64()), reader.ReadBytes().ToArray());
        return entry.Id >= 1 && entry.Version >= 1 ? entry : throw new MalformedDataException(reader.Consumed, "mutations and versions are numbered from 1");
    }

    /// <summary>The link behind this mutation, from the one before it.</summary>
    internal TimelineLink LinkAfter(TimelineLink before)
    {
        var output = new ArrayBufferWriter<byte>(64 + Arguments.Length);
        var writer = new MessagePackWriter(output);
        Write(ref writer);
        writer.Flush();
        (ulong low, ulong high) = MurmurHash3X64.Hash(output.WrittenSpan, before.Low, before.High);
        return new TimelineLink(low, high);
    }
}

/// <summary>A hash over all mutations of a timeline up to one of them: two timelines that agree in it are the same so far. Default: before the first.</summary>
internal readonly record struct TimelineLink(ulong Low, ulong High)
{
    internal const int Bytes = 2 * sizeof(ulong);

    internal void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, Low);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[sizeof(ulong)..], High);
    }

    internal static TimelineLink Read(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt64LittleEndian(bytes[sizeof(ulong)..]));
}
