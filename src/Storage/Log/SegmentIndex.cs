using System.Buffers.Binary;
using System.Runtime.InteropServices;

using Tidemark.Core.Hashing;

namespace Tidemark.Storage.Log;

/// <summary>Where a record that starts a batch stands.</summary>
internal readonly record struct IndexPoint(long Offset, ulong Timestamp, long Position);

/// <summary>A sparse map from offsets and timestamps to positions in one segment: derived data, made again whenever it does not match.</summary>
/// <remarks>Not thread-safe while it grows. Memory: 24 bytes for each 32 KiB of frames.</remarks>
internal sealed class SegmentIndex
{
    internal const int Spacing = 32 * 1024;
    private const int HeaderSize = 48;
    private const int EntrySize = 24;

    private readonly List<IndexPoint> _entries = [];

    private static ReadOnlySpan<byte> Magic => "TIDEIDX\n"u8;

    internal ReadOnlySpan<IndexPoint> Entries => CollectionsMarshal.AsSpan(_entries);

    /// <summary>Notes where a batch starts, unless the last entry is near.</summary>
    internal void Note(long offset, ulong timestamp, long position)
    {
        if (_entries.Count > 0 && position - _entries[^1].Position < Spacing) return;
        _entries.Add(new IndexPoint(offset, timestamp, position));
    }

    /// <summary>Forgets what stands at or after a position.</summary>
    internal void CutAt(long position) => _entries.RemoveAll(entry => entry.Position >= position);

    /// <summary>The last entry at or before an offset; false where there is none.</summary>
    internal bool TryFindOffset(long offset, out IndexPoint entry) => TryLast(e => e.Offset <= offset, out entry);

    /// <summary>The last entry before a timestamp; false where there is none.</summary>
    internal bool TryFindBefore(ulong timestamp, out IndexPoint entry) => TryLast(e => e.Timestamp < timestamp, out entry);

    /// <summary>Writes the index of a sealed segment as file bytes.</summary>
    internal byte[] ToBytes(ulong salt, long end, ulong lastTimestamp)
    {
        byte[] bytes = new byte[HeaderSize + _entries.Count * EntrySize];
        FileStamp.Write(bytes, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(12), _entries.Count);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(16), salt);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(24), end);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(32), lastTimestamp);
        Span<byte> at = bytes.AsSpan(HeaderSize);
        foreach (IndexPoint entry in _entries)
        {
            BinaryPrimitives.WriteInt64LittleEndian(at, entry.Offset);
            BinaryPrimitives.WriteUInt64LittleEndian(at[8..], entry.Timestamp);
            BinaryPrimitives.WriteInt64LittleEndian(at[16..], entry.Position);
            at = at[EntrySize..];
        }

        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(40), Checksum(bytes));
        return bytes;
    }

    /// <summary>Reads index bytes; false where they are damaged, of another version or not of this segment.</summary>
    internal static bool TryParse(ReadOnlySpan<byte> bytes, ulong salt, out SegmentIndex index, out long end, out ulong lastTimestamp)
    {
        index = new SegmentIndex();
        end = 0;
        lastTimestamp = 0;
        if (bytes.Length < HeaderSize || !bytes.StartsWith(Magic)) return false;
        int count = BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]);
        if (count != (bytes.Length - HeaderSize) / EntrySize || bytes.Length != HeaderSize + count * EntrySize) return false;
        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes[40..]) != Checksum(bytes)) return false;
        if (BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]) != FileStamp.Version) return false;
        if (BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]) != salt) return false;

        end = BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]);
        lastTimestamp = BinaryPrimitives.ReadUInt64LittleEndian(bytes[32..]);
        for (ReadOnlySpan<byte> at = bytes[HeaderSize..]; at.Length > 0; at = at[EntrySize..])
        {
            index._entries.Add(new IndexPoint(
                BinaryPrimitives.ReadInt64LittleEndian(at),
                BinaryPrimitives.ReadUInt64LittleEndian(at[8..]),
                BinaryPrimitives.ReadInt64LittleEndian(at[16..])));
        }

        return true;
    }

    private static uint Checksum(ReadOnlySpan<byte> bytes) => Crc32C.Append(Crc32C.Compute(bytes[..40]), bytes[HeaderSize..]);

    /// <summary>The last entry of the leading run for which the condition holds.</summary>
    private bool TryLast(Func<IndexPoint, bool> holds, out IndexPoint entry)
    {
        int low = 0, high = _entries.Count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (holds(_entries[middle])) low = middle + 1;
            else high = middle;
        }

        entry = low > 0 ? _entries[low - 1] : default;
        return low > 0;
    }
}
