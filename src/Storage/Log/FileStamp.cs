using System.Buffers.Binary;
using System.Globalization;

using Tidemark.Core.Hashing;

namespace Tidemark.Storage.Log;

/// <summary>What all fixed-size headers share: magic, format version and checksum algorithm in front, a checksum in the last four bytes.</summary>
internal static class FileStamp
{
    internal const ushort Version = 1;
    internal const byte Crc32CAlgorithm = 1;

    /// <summary>Writes the first 11 bytes.</summary>
    internal static void Write(Span<byte> target, ReadOnlySpan<byte> magic)
    {
        magic.CopyTo(target);
        BinaryPrimitives.WriteUInt16LittleEndian(target[8..], Version);
        target[10] = Crc32CAlgorithm;
    }

    /// <summary>Writes the checksum of all bytes but the last four into the last four, and returns it.</summary>
    internal static uint Seal(Span<byte> target)
    {
        uint checksum = Crc32C.Compute(target[..^4]);
        BinaryPrimitives.WriteUInt32LittleEndian(target[^4..], checksum);
        return checksum;
    }

    /// <summary>Checks magic, version and checksum of a header read from a file, and returns the checksum.</summary>
    /// <exception cref="CorruptDataException">The bytes are too few or damaged.</exception>
    /// <exception cref="FormatMismatchException">The bytes are whole and of another version or algorithm.</exception>
    internal static uint Check(string file, ReadOnlySpan<byte> source, int size, ReadOnlySpan<byte> magic, string what)
    {
        if (source.Length < size) throw new CorruptDataException(file, source.Length, $"{what} of {size} bytes", $"{source.Length} bytes");
        source = source[..size];
        uint expected = Crc32C.Compute(source[..^4]);
        uint found = BinaryPrimitives.ReadUInt32LittleEndian(source[^4..]);
        if (expected != found) throw new CorruptDataException(file, size - 4, $"checksum {Hex(expected)} of {what}", Hex(found));
        if (!source.StartsWith(magic)) throw new FormatMismatchException(file, what, $"a file that starts with {Convert.ToHexString(source[..8])}");

        ushort version = BinaryPrimitives.ReadUInt16LittleEndian(source[8..]);
        if (version != Version || source[10] != Crc32CAlgorithm)
            throw new FormatMismatchException(file, $"format version {Version}, checksum algorithm {Crc32CAlgorithm}",
                $"format version {version}, checksum algorithm {source[10]}");
        return found;
    }

    /// <summary>As <see cref="Check"/>, of a file that holds nothing else.</summary>
    internal static void CheckWhole(string file, ReadOnlySpan<byte> source, int size, ReadOnlySpan<byte> magic, string what)
    {
        if (source.Length > size) throw new CorruptDataException(file, size, $"{what} of {size} bytes", "more");
        Check(file, source, size, magic, what);
    }

    /// <summary>Notes in a header, at an offset, how long the content behind it is, and its checksum: eight bytes.</summary>
    internal static void WriteContent(Span<byte> header, int at, ReadOnlySpan<byte> content)
    {
        BinaryPrimitives.WriteInt32LittleEndian(header[at..], content.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header[(at + sizeof(int))..], Crc32C.Compute(content));
    }

    /// <summary>The content behind a header that was checked, as <see cref="WriteContent"/> has noted it.</summary>
    /// <exception cref="CorruptDataException">It is longer, shorter, or damaged.</exception>
    internal static ReadOnlySpan<byte> CheckContent(string file, ReadOnlySpan<byte> source, int headerSize, int at)
    {
        ReadOnlySpan<byte> content = source[headerSize..];
        long end = headerSize + BinaryPrimitives.ReadUInt32LittleEndian(source[at..]);
        if (end != source.Length) throw new CorruptDataException(file, Math.Min(source.Length, end), $"{end} bytes", $"{source.Length} bytes");
        uint expected = Crc32C.Compute(content);
        uint found = BinaryPrimitives.ReadUInt32LittleEndian(source[(at + sizeof(int))..]);
        if (expected == found) return content;
        throw new CorruptDataException(file, at + sizeof(int), $"checksum {Hex(expected)} of the content", Hex(found));
    }

    internal static string Hex(uint value) => value.ToString("x8", CultureInfo.InvariantCulture);
}
