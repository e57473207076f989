using System.Buffers.Binary;
using System.Globalization;

using Tidemark.Core.Hashing;
using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;

namespace Tidemark;

/// <summary>A hash of a set of rows that does not depend on their order, so a change of one row costs the same at any size.</summary>
/// <param name="Low">The sum of the rows' first words, modulo 2^64.</param>
/// <param name="High">The sum of the rows' second words, modulo 2^64.</param>
/// <param name="Rows">How many rows there are.</param>
/// <remarks>
/// Replicas that applied the same entries have the same hash. It finds accidents: bit rot, a bug, a lost row; it is no defence against an attacker who
/// chooses rows. Algorithm 1: MurmurHash3_x64_128 of the value, begun in the state that the hash of the key ended in. Bytes: docs/format/state-hash.md.
/// </remarks>
public readonly record struct StateHash(ulong Low, ulong High, long Rows)
{
    /// <summary>The number of the algorithm, which stands beside each hash in files and messages.</summary>
    public const byte Algorithm = 1;

    /// <summary>The hash with one more row.</summary>
    public StateHash With(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        (ulong low, ulong high) = RowHash(key, value);
        return new StateHash(Low + low, High + high, Rows + 1);
    }

    /// <summary>The hash without a row it has.</summary>
    public StateHash Without(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        (ulong low, ulong high) = RowHash(key, value);
        return new StateHash(Low - low, High - high, Rows - 1);
    }

    /// <summary>Both words in hexadecimal and the count of rows.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{High:x16}{Low:x16}/{Rows}");

    /// <summary>Writes its three numbers.</summary>
    internal void Write(scoped ref MessagePackWriter writer)
    {
        writer.Write(Low);
        writer.Write(High);
        writer.Write(Rows);
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    internal static StateHash Read(scoped ref MessagePackReader reader) => new(reader.ReadUInt64(), reader.ReadUInt64(), reader.ReadInt64());

    /// <summary>Writes its three numbers as an array.</summary>
    internal void WriteArray(scoped ref MessagePackWriter writer)
    {
        writer.WriteArrayHeader(3);
        Write(ref writer);
    }

    /// <summary>Reads what <see cref="WriteArray"/> wrote.</summary>
    internal static StateHash ReadArray(scoped ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(3, ref reader);
        return Read(ref reader);
    }

    internal static void WriteAlgorithm(scoped ref MessagePackWriter writer) => writer.Write((long)Algorithm);

    /// <exception cref="MalformedDataException">It is another than that of this class.</exception>
    internal static void ReadAlgorithm(scoped ref MessagePackReader reader)
    {
        long at = reader.Consumed;
        int found = reader.ReadInt32();
        if (found != Algorithm) throw new MalformedDataException(at, $"state hash algorithm {found} is unknown");
    }

    /// <summary>The hash with one more row whose value begins with a version.</summary>
    internal StateHash With(ReadOnlySpan<byte> key, long version, ReadOnlySpan<byte> value)
    {
        (ulong low, ulong high) = RowHash(key, version, value);
        return new StateHash(Low + low, High + high, Rows + 1);
    }

    /// <summary>The hash without such a row.</summary>
    internal StateHash Without(ReadOnlySpan<byte> key, long version, ReadOnlySpan<byte> value)
    {
        (ulong low, ulong high) = RowHash(key, version, value);
        return new StateHash(Low - low, High - high, Rows - 1);
    }

    private static (ulong Low, ulong High) RowHash(ReadOnlySpan<byte> key, long version, ReadOnlySpan<byte> value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, version);
        (ulong first, ulong second) = MurmurHash3X64.Hash(key);
        (first, second) = MurmurHash3X64.Hash(bytes, first, second);
        return MurmurHash3X64.Hash(value, first, second);
    }

    private static (ulong Low, ulong High) RowHash(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        (ulong first, ulong second) = MurmurHash3X64.Hash(key);
        return MurmurHash3X64.Hash(value, first, second);
    }
}
