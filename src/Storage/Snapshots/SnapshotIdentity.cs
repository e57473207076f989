using System.Buffers.Binary;

using Tidemark.Storage.Log;

namespace Tidemark.Storage.Snapshots;

/// <summary>Whose state a snapshot is: stands in its header, so that a stranger's file is refused.</summary>
/// <param name="StoreId">The store.</param>
/// <param name="ShardId">The shard of that store.</param>
/// <param name="Machine">The kind of state machine, which alone can read the pieces.</param>
internal readonly record struct SnapshotIdentity(Guid StoreId, long ShardId, ushort Machine)
{
    private const int MachineAt = 14;
    private const int LogIdentityAt = 16;

    public override string ToString() => $"store {StoreId} shard {ShardId} machine {Machine}";

    internal void Write(Span<byte> header)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(header[MachineAt..], Machine);
        new LogIdentity(StoreId, ShardId).Write(header[LogIdentityAt..]);
    }

    internal static SnapshotIdentity Read(ReadOnlySpan<byte> header)
    {
        var log = LogIdentity.Read(header[LogIdentityAt..]);
        return new SnapshotIdentity(log.StoreId, log.ShardId, BinaryPrimitives.ReadUInt16LittleEndian(header[MachineAt..]));
    }
}
