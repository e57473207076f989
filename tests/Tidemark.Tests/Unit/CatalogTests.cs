using System.Buffers;
using System.Buffers.Binary;
using Tidemark.Core.Hashing;
using Tidemark.Storage.Catalog;
using Tidemark.Storage.Log;
using Tidemark.Testing;

using static Tidemark.Tests.CatalogHarness;

namespace Tidemark.Tests.Unit;

/// <summary>The catalog: what goes in comes out, rules hold on both sides, and only a file that is not there is "none".</summary>
public sealed class CatalogTests
{
    [Fact]
    public void What_was_written_is_read_with_every_setting()
    {
        NamespaceOptions unusual = new()
        {
            KeyOrder = KeyOrder.Natural,
            ShardCount = 3,
            MaxKeyBytes = 60_000,
            MaxValueBytes = 0,
            MaxBatchBytes = 1024,
            ChangeLogEntries = 1,
            ChangeLogBytes = NamespaceOptions.LargestChangeLogBytes,
            ClientIdleTimeout = TimeSpan.FromMilliseconds(1001),
            MaxClients = 1,
            MaxSessions = NamespaceOptions.LargestTableCount,
        };
        TopicOptions unusualTopic = new()
        {
            Partitions = 3,
            MaxMessageBytes = 1,
            MaxBatchBytes = TopicOptions.LargestBatchBytes,
            RetentionAge = TimeSpan.FromDays(36_500),
            RetentionBytes = long.MaxValue,
            RetentionConsumer = "../billing 🌊",
            SegmentBytes = 64 * 1024,
            SegmentAge = TimeSpan.FromMilliseconds(1001),
            DeduplicationIds = TopicOptions.LargestDeduplicationIds,
            ProducerIdleTimeout = TimeSpan.FromDays(365),
            MaxProducers = 1_000_000,
        };
        StoreCatalog catalog = Example() with
        {
            NextShardId = 1000,
            Engine = "sqlite",
            Created = new DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, TimeSpan.FromHours(9)).AddTicks(1),
            Namespaces = [Space(7, "../Ünïcode/🌊 'x'", 500, 3) with { Options = unusual }, .. Example().Namespaces],
            Topics = [.. Example().Topics, Topic("../Ünïcode/🌊 'x'", 999, 4, 998) with { Options = unusualTopic }],
        };
        MemoryFileSystem disk = NewDisk();
        CatalogFile.Write(disk, Place, catalog);
        AssertSame(catalog, CatalogFile.TryRead(disk, Place));
        Assert.Equal(["catalog"], disk.ListFiles(Place));
    }

    [Fact]
    public void A_store_with_thousands_of_shards_fits()
    {
        StoreCatalog catalog = Example() with { NextShardId = 9216, Namespaces = [Space(0, "a", 0, 4096), Space(1, "b", 4096, 4096)], Topics = [Topic("c", [.. Enumerable.Range(8192, 1024)])] };
        MemoryFileSystem disk = NewDisk();
        CatalogFile.Write(disk, Place, catalog);
        AssertSame(catalog, CatalogFile.TryOpen(disk, Place));
    }

    [Fact]
    public void Only_a_file_that_is_not_there_is_none()
    {
        MemoryFileSystem disk = NewDisk();
        Assert.Null(CatalogFile.TryRead(disk, Place));
        Assert.Null(CatalogFile.TryOpen(disk, Place));
        SnapshotHarness.PutFile(disk, FilePath, []);
        Assert.Throws<CorruptDataException>(() => CatalogFile.TryRead(disk, Place));
        Assert.Throws<CorruptDataException>(() => CatalogFile.TryOpen(disk, Place));
    }

    [Fact]
    public void A_catalog_that_breaks_a_rule_is_not_written()
    {
        MemoryFileSystem disk = NewDisk();
        CatalogFile.Write(disk, Place, Example());
        foreach ((string rule, StoreCatalog broken) in Broken())
        {
            Exception? refused = Record.Exception(() => CatalogFile.Write(disk, Place, broken));
            Assert.True(refused is ArgumentException, $"{rule}: {refused?.Message ?? "was written"}");
        }

        AssertSame(Example(), CatalogFile.TryRead(disk, Place));
    }

    /// <summary>The same rules for a file whose checksums fit, as a bug or a forger may have written it.</summary>
    [Fact]
    public void A_catalog_that_breaks_a_rule_is_not_read_either()
    {
        foreach ((string rule, StoreCatalog broken) in Broken())
        {
            var content = new ArrayBufferWriter<byte>();
            try
            {
                CatalogCodec.Write(content, broken);
            }
            catch (ArgumentException)
            {
                continue;   // Text that is not Unicode has no bytes.
            }
            if (rule == "shard count") continue;   // Not in the file: the shards themselves are.
            MemoryFileSystem disk = NewDisk();
            SnapshotHarness.PutFile(disk, FilePath, Stamped(content.WrittenSpan));
            Exception? refused = Record.Exception(() => CatalogFile.TryRead(disk, Place));
            Assert.True(refused is CorruptDataException, $"{rule}: {refused?.Message ?? "was read"}");
        }
    }

    [Fact]
    public void A_content_of_another_shape_is_damage_and_names_the_byte()
    {
        StoreCatalog example = Example();
        byte[] whole = CatalogFile.Encode(example)[CatalogFile.HeaderSize..];
        foreach (byte[] content in (byte[][])[[.. whole, 0xC0], whole[..^1], [0x96, .. whole[1..], 0xC0], [], [0xC1]])
        {
            MemoryFileSystem disk = NewDisk();
            SnapshotHarness.PutFile(disk, FilePath, Stamped(content));
            var damage = Assert.Throws<CorruptDataException>(() => CatalogFile.TryRead(disk, Place));
            Assert.InRange(damage.Position, CatalogFile.HeaderSize, CatalogFile.HeaderSize + content.Length);
        }
    }

    [Fact]
    public void A_file_longer_than_any_catalog_is_refused_without_reading_all_of_it()
    {
        MemoryFileSystem disk = NewDisk();
        SnapshotHarness.PutFile(disk, FilePath, CatalogFile.Encode(Example()));
        using (IFile file = disk.Open(FilePath, FileOpenMode.Existing)) file.SetLength(1L << 40);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<CorruptDataException>(() => CatalogFile.TryRead(disk, Place));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 3L * CatalogFile.MaxContentBytes);
    }

    [Fact]
    public void A_full_disk_leaves_the_catalog_as_it_was()
    {
        var disk = new FaultyFileSystem(1);
        disk.CreateDirectory(Place);
        CatalogFile.Write(disk, Place, Example());
        disk.CapacityBytes = 200;
        Assert.Throws<StoreFullException>(() => CatalogFile.Write(disk, Place, WithMore(5)));
        AssertSame(Example(), CatalogFile.TryRead(disk, Place));
        disk.CapacityBytes = long.MaxValue;
        CatalogFile.Write(disk, Place, WithMore(5));
        AssertSame(WithMore(5), CatalogFile.TryRead(disk, Place));
    }

    private static MemoryFileSystem NewDisk()
    {
        var disk = new MemoryFileSystem();
        disk.CreateDirectory(Place);
        return disk;
    }

    private static IEnumerable<(string Rule, StoreCatalog Broken)> Broken()
    {
        StoreCatalog example = Example();
        CatalogNamespace space = example.Namespaces[0];
        ShardHashRange first = space.Shards[0], second = space.Shards[1];
        yield return ("engine without a name", example with { Engine = "" });
        yield return ("negative shard id", example with { NextShardId = -1, Namespaces = [], Topics = [] });
        yield return ("shard never given out", example with { NextShardId = 1 });
        yield return ("id twice", example with { NextShardId = 5, Namespaces = [space, Space(0, "other", 4, 1)] });
        yield return ("name twice", example with { NextShardId = 5, Namespaces = [space, Space(1, "default", 4, 1)] });
        yield return ("shard twice", example with { Namespaces = [space, Space(1, "other", 1, 1)] });
        CatalogTopic topic = example.Topics[0];
        yield return ("topic name twice", example with { NextShardId = 5, Topics = [topic, Topic("orders", 4)] });
        yield return ("shard of a namespace and a topic", example with { Topics = [Topic("orders", 1)] });
        yield return ("shard twice in a topic", example with { Topics = [Topic("orders", 2, 2)] });
        yield return ("topic's shard never given out", example with { Topics = [Topic("orders", 4)] });
        yield return ("topic without a shard", example with { Topics = [Topic("orders") with { Options = new TopicOptions { Partitions = 0 } }] });
        yield return ("topic without a name", example with { Topics = [Topic("", 2)] });
        yield return ("setting of a topic", example with { Topics = [topic with { Options = topic.Options with { MaxProducers = 0 } }] });
        foreach (string name in (string[])["", "a\nb", "\u007f", "\u0085", new string('a', 129), new string('ü', 65), "\ud800"])
            yield return ($"name '{name}'", example with { Namespaces = [space with { Name = name }] });
        yield return ("negative namespace id", example with { Namespaces = [space with { Id = -1 }] });
        yield return ("shard count", example with { Namespaces = [space with { Options = new NamespaceOptions { ShardCount = 3 } }] });
        yield return ("gap", example with { Namespaces = [space with { Shards = [first, second with { Start = second.Start + 1 }] }] });
        yield return ("overlap", example with { Namespaces = [space with { Shards = [first with { End = first.End + 1 }, second] }] });
        yield return ("setting", example with { Namespaces = [space with { Options = space.Options with { MaxKeyBytes = 60_001 } }] });
        yield return ("no shard", example with { Namespaces = [space with { Shards = [], Options = space.Options with { ShardCount = 0 } }] });
    }

    private static byte[] Stamped(ReadOnlySpan<byte> content)
    {
        byte[] bytes = [.. CatalogFile.Encode(Example()).AsSpan(0, CatalogFile.HeaderSize), .. content];
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(32), content.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(36), Crc32C.Compute(content));
        FileStamp.Seal(bytes.AsSpan(0, CatalogFile.HeaderSize));
        return bytes;
    }
}
