using Tidemark.Storage.Log;
using Tidemark.Storage.Replica;
using Tidemark.Testing;

namespace Tidemark.Tests.Golden;

/// <summary>The bytes that docs/format/replica.md shows are the bytes that the code writes.</summary>
public sealed class ReplicaFormatTests
{
    private const string Place = "/data/shards/000005";

    private static readonly Guid _cluster = new("00112233-4455-6677-8899-aabbccddeeff");
    private static readonly LogIdentity _identity = new(_cluster, 5);
    private static readonly ReplicaRecord _record = new(Term: 3, IsLost: true, Generation: 2001, Previous: 2000);
    private static readonly NodeRecord _node = new(_cluster, 4, Run: 2);

    [Fact]
    public void The_replica_file_of_the_format_page_is_what_the_code_writes()
    {
        byte[] bytes = new byte[ReplicaFile.Size];
        ReplicaFile.Encode(bytes, _identity, _record);
        AssertInPage(bytes);
        MemoryFileSystem disk = NewDisk();
        SnapshotHarness.PutFile(disk, Place + "/replica", bytes);
        Assert.Equal(_record, ReplicaFile.TryRead(disk, Place, _identity));
    }

    [Fact]
    public void The_node_file_of_the_format_page_is_what_the_code_writes()
    {
        byte[] bytes = new byte[NodeFile.Size];
        NodeFile.Encode(bytes, _node);
        AssertInPage(bytes);
        MemoryFileSystem disk = NewDisk();
        SnapshotHarness.PutFile(disk, Place + "/node", bytes);
        Assert.Equal(_node, NodeFile.TryRead(disk, Place));
    }

    [Fact]
    public void The_engine_file_of_the_format_page_is_what_the_code_writes_and_damage_to_it_is_mended()
    {
        byte[] bytes = new byte[EngineFile.Size];
        EngineFile.Encode(bytes, "lmdb");
        AssertInPage(bytes);
        MemoryFileSystem disk = NewDisk();
        SnapshotHarness.PutFile(disk, Place + "/engine", bytes);
        EngineFile.Claim(disk, Place, "lmdb");
        Assert.Throws<FormatMismatchException>(() => EngineFile.Claim(disk, Place, "memory"));
        foreach (byte[] broken in Broken(bytes))
        {
            SnapshotHarness.PutFile(disk, Place + "/engine", broken);
            EngineFile.Claim(disk, Place, "memory");
            Assert.Throws<FormatMismatchException>(() => EngineFile.Claim(disk, Place, "lmdb"));
        }
    }

    [Fact]
    public void A_file_that_is_not_there_is_none_and_one_that_was_written_is_read()
    {
        MemoryFileSystem disk = NewDisk();
        Assert.Null(ReplicaFile.TryRead(disk, Place, _identity));
        Assert.Null(NodeFile.TryRead(disk, Place));
        ReplicaFile.Write(disk, Place, _identity, _record);
        NodeFile.Write(disk, Place, _node);
        Assert.Equal(_record, ReplicaFile.TryRead(disk, Place, _identity));
        Assert.Equal(_node, NodeFile.TryRead(disk, Place));
        Assert.Equal(["node", "replica"], disk.ListFiles(Place));
    }

    [Fact]
    public void A_flipped_bit_or_another_length_is_damage()
    {
        byte[] replica = new byte[ReplicaFile.Size], node = new byte[NodeFile.Size];
        ReplicaFile.Encode(replica, _identity, _record);
        NodeFile.Encode(node, _node);
        MemoryFileSystem disk = NewDisk();
        foreach (byte[] broken in Broken(replica))
        {
            SnapshotHarness.PutFile(disk, Place + "/replica", broken);
            Assert.Throws<CorruptDataException>(() => ReplicaFile.TryRead(disk, Place, _identity));
        }

        foreach (byte[] broken in Broken(node))
        {
            SnapshotHarness.PutFile(disk, Place + "/node", broken);
            Assert.Throws<CorruptDataException>(() => NodeFile.TryRead(disk, Place));
        }
    }

    [Fact]
    public void A_file_of_a_later_version_a_stranger_or_another_replica_is_refused_by_name()
    {
        MemoryFileSystem disk = NewDisk();
        foreach ((int at, string name) in ((int, string)[])[(0, "a replica file"), (8, "version 2"), (10, "checksum algorithm 2"), (32, "shard 6")])
        {
            byte[] bytes = new byte[ReplicaFile.Size];
            ReplicaFile.Encode(bytes, _identity, _record);
            bytes[at]++;
            FileStamp.Seal(bytes);
            SnapshotHarness.PutFile(disk, Place + "/replica", bytes);
            Assert.Contains(name, Assert.Throws<FormatMismatchException>(() => ReplicaFile.TryRead(disk, Place, _identity)).Message, StringComparison.Ordinal);
        }

        foreach ((int at, string name) in ((int, string)[])[(0, "a node file"), (8, "version 2"), (10, "checksum algorithm 2")])
        {
            byte[] bytes = new byte[NodeFile.Size];
            NodeFile.Encode(bytes, _node);
            bytes[at]++;
            FileStamp.Seal(bytes);
            SnapshotHarness.PutFile(disk, Place + "/node", bytes);
            Assert.Contains(name, Assert.Throws<FormatMismatchException>(() => NodeFile.TryRead(disk, Place)).Message, StringComparison.Ordinal);
        }
    }

    private static IEnumerable<byte[]> Broken(byte[] bytes)
    {
        for (int bit = 0; bit < 8 * bytes.Length; bit++)
        {
            byte[] flipped = [.. bytes];
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            yield return flipped;
        }

        yield return [];
        yield return bytes[..^1];
        yield return [.. bytes, 0];
    }

    private static MemoryFileSystem NewDisk()
    {
        var disk = new MemoryFileSystem();
        disk.CreateDirectory(Place);
        return disk;
    }

    private static void AssertInPage(byte[] bytes)
    {
        string page = File.ReadAllText(RepositoryRoot.At("docs", "format", "replica.md"));
        string text = string.Join('\n', bytes.Chunk(16).Select(line => Convert.ToHexStringLower(line)));
        Assert.True(page.Contains(text, StringComparison.Ordinal), $"docs/format/replica.md does not show these bytes:\n{text}");
        Assert.Contains($"{bytes.Length} bytes", page, StringComparison.Ordinal);
    }
}
