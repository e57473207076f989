using System.Buffers.Binary;

using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Storage.Replica;

/// <summary>What a replica keeps beside its log and state.</summary>
/// <param name="Term">The highest term it was fenced to.</param>
/// <param name="IsLost">Whether it may have acknowledged what it no longer has.</param>
/// <param name="Generation">Which of the directories beside the file holds its log and its state.</param>
/// <param name="Previous">Which held them before, and is of no use once the replica is not lost; 0 for none.</param>
/// <param name="Quarantines">How often its state was another than that of a majority.</param>
internal readonly record struct ReplicaRecord(long Term, bool IsLost, long Generation, long Previous, int Quarantines = 0);

/// <summary>The file that holds a replica's record. Replaced as a whole. Bytes, and what a crash leaves: docs/format/replica.md.</summary>
internal static class ReplicaFile
{
    internal const string Name = "replica";
    internal const int Size = 80;

    /// <summary>What the file is called once the replica was given up: it still says which files are to be deleted.</summary>
    internal const string DiscardedName = "replica.discarded";

    private const byte Lost = 1;

    private static ReadOnlySpan<byte> Magic => "TIDEREP\n"u8;

    /// <summary>The record; null where there is no file, and only there.</summary>
    /// <exception cref="CorruptDataException">The file is damaged.</exception>
    /// <exception cref="FormatMismatchException">It is another file, of another version, or of another replica.</exception>
    internal static ReplicaRecord? TryRead(IFileSystem files, string directory, LogIdentity identity, string name = Name)
    {
        string path = Path.Combine(directory, name);
        if (WholeFile.TryRead(files, path, Size + 1) is not { } bytes) return null;
        FileStamp.CheckWhole(path, bytes, Size, Magic, "a replica file");
        var found = LogIdentity.Read(bytes.AsSpan(16));
        if (found != identity) throw new FormatMismatchException(path, $"the replica of {identity}", $"the replica of {found}");
        return new ReplicaRecord(
            BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(40)), (bytes[11] & Lost) != 0, BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(48)),
            BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(56)), BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(64)));
    }

    /// <summary>Replaces the record, durably.</summary>
    internal static void Write(IFileSystem files, string directory, LogIdentity identity, ReplicaRecord record)
    {
        Span<byte> bytes = stackalloc byte[Size];
        Encode(bytes, identity, record);
        WholeFile.Replace(files, Path.Combine(directory, Name), bytes);
    }

    internal static void Encode(Span<byte> target, LogIdentity identity, ReplicaRecord record)
    {
        target = target[..Size];
        target.Clear();
        FileStamp.Write(target, Magic);
        target[11] = record.IsLost ? Lost : (byte)0;
        identity.Write(target[16..]);
        BinaryPrimitives.WriteInt64LittleEndian(target[40..], record.Term);
        BinaryPrimitives.WriteInt64LittleEndian(target[48..], record.Generation);
        BinaryPrimitives.WriteInt64LittleEndian(target[56..], record.Previous);
        BinaryPrimitives.WriteInt32LittleEndian(target[64..], record.Quarantines);
        FileStamp.Seal(target);
    }
}
