using System.Buffers.Binary;

using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Storage.Replica;

/// <summary>Which node of which cluster a directory belongs to, and how often the node was started in it.</summary>
/// <param name="Cluster">The cluster.</param>
/// <param name="Node">The node.</param>
/// <param name="Run">How many times it was started.</param>
internal readonly record struct NodeRecord(Guid Cluster, int Node, long Run);

/// <summary>The file that holds a node's record. Replaced as a whole. Bytes: docs/format/replica.md.</summary>
internal static class NodeFile
{
    internal const string Name = "node";
    internal const int Size = 64;

    private static ReadOnlySpan<byte> Magic => "TIDENOD\n"u8;

    /// <summary>The record; null where there is no file, and only there.</summary>
    /// <exception cref="CorruptDataException">The file is damaged.</exception>
    /// <exception cref="FormatMismatchException">It is another file, or of another version.</exception>
    internal static NodeRecord? TryRead(IFileSystem files, string directory)
    {
        string path = Path.Combine(directory, Name);
        if (WholeFile.TryRead(files, path, Size + 1) is not { } bytes) return null;
        FileStamp.CheckWhole(path, bytes, Size, Magic, "a node file");
        return new NodeRecord(
            new Guid(bytes.AsSpan(16, 16), bigEndian: true), (int)BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(32)), BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(40)));
    }

    /// <summary>Replaces the record, durably.</summary>
    internal static void Write(IFileSystem files, string directory, NodeRecord record)
    {
        Span<byte> bytes = stackalloc byte[Size];
        Encode(bytes, record);
        WholeFile.Replace(files, Path.Combine(directory, Name), bytes);
    }

    internal static void Encode(Span<byte> target, NodeRecord record)
    {
        target = target[..Size];
        target.Clear();
        FileStamp.Write(target, Magic);
        record.Cluster.TryWriteBytes(target[16..], bigEndian: true, out _);
        BinaryPrimitives.WriteInt64LittleEndian(target[32..], record.Node);
        BinaryPrimitives.WriteInt64LittleEndian(target[40..], record.Run);
        FileStamp.Seal(target);
    }
}
