using System.Buffers.Binary;
using System.Globalization;

namespace Tidemark.CrashLab;

/// <summary>A record that says who it is and proves its content: name, length, bytes that follow from the name, and a checksum of its own kind.</summary>
internal static class LabRecord
{
    private const int HeaderBytes = 20;
    private const uint Magic = 0x3142414C;   // "LAB1"

    internal static string NameOf(int round, int sequence) => string.Create(CultureInfo.InvariantCulture, $"{round}-{sequence}");

    /// <summary>The record of a name: always the same bytes. Mostly short, some of several KiB, a few of 100 KiB, some all zeros behind the header.</summary>
    internal static byte[] Make(int round, int sequence)
    {
        ulong state = Mix(((ulong)(uint)round << 32) | (uint)sequence);
        int length = (state % 64) switch
        {
            0 => 100_000,
            < 4 => (int)(state >> 8) & 0x1FFF,
            < 8 => 0,
            _ => (int)(state >> 8) & 0xFF,
        };
        byte[] record = new byte[HeaderBytes + length];
        BinaryPrimitives.WriteUInt32LittleEndian(record, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(4), round);
        BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(8), sequence);
        bool isZero = (state >> 60) == 0;
        for (int i = 0; i < length && !isZero; i++)
        {
            if (i % 8 == 0) state = Mix(state);
            record[HeaderBytes + i] = (byte)(state >> (i % 8 * 8));
        }

        BinaryPrimitives.WriteUInt64LittleEndian(record.AsSpan(12), Sum(record));
        return record;
    }

    /// <summary>The record's name, if every byte of it is the one it was made with.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> record, out int round, out int sequence)
    {
        (round, sequence) = (0, 0);
        if (record.Length < HeaderBytes || BinaryPrimitives.ReadUInt32LittleEndian(record) != Magic) return false;
        round = BinaryPrimitives.ReadInt32LittleEndian(record[4..]);
        sequence = BinaryPrimitives.ReadInt32LittleEndian(record[8..]);
        return BinaryPrimitives.ReadUInt64LittleEndian(record[12..]) == Sum(record) && record.SequenceEqual(Make(round, sequence));
    }

    /// <summary>FNV-1a over all bytes but the sum's own.</summary>
    private static ulong Sum(ReadOnlySpan<byte> record)
    {
        ulong sum = 14695981039346656037;
        for (int i = 0; i < record.Length; i++)
        {
            if (i is >= 12 and < 20) continue;
            sum = (sum ^ record[i]) * 1099511628211;
        }

        return sum;
    }

    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
