using System.Buffers.Binary;

namespace Tidemark.Replication.Consumers;

/// <summary>How far a partition was read, as it is stored.</summary>
/// <param name="Next">The first message that was not.</param>
/// <param name="Ownership">The ownership version of the member that stores it; 0 where no group does.</param>
/// <param name="Version">The record's.</param>
internal readonly record struct StoredOffset(long Next, long Ownership, long Version)
{
    private const int Bytes = 2 * sizeof(long);

    /// <exception cref="MalformedDataException">It is none.</exception>
    internal static StoredOffset Read(StoreRecord record)
    {
        ReadOnlySpan<byte> value = record.Value.Span;
        if (value.Length != Bytes) throw new MalformedDataException(value.Length, $"a stored offset has {Bytes} bytes");
        return new StoredOffset(BinaryPrimitives.ReadInt64LittleEndian(value), BinaryPrimitives.ReadInt64LittleEndian(value[sizeof(long)..]), record.Version);
    }

    internal byte[] Write()
    {
        byte[] value = new byte[Bytes];
        BinaryPrimitives.WriteInt64LittleEndian(value, Next);
        BinaryPrimitives.WriteInt64LittleEndian(value.AsSpan(sizeof(long)), Ownership);
        return value;
    }
}
