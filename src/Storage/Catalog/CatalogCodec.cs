using System.Buffers;

using Tidemark.Core.MessagePack;

namespace Tidemark.Storage.Catalog;

/// <summary>The content of a catalog file, as MessagePack. Bytes: docs/format/catalog.md.</summary>
internal static class CatalogCodec
{
    private const int StoreFields = 5;
    private const int NamespaceFields = 4;
    private const int SettingFields = 9;
    private const int ShardFields = 3;

    private static readonly MessagePackLimits _limits = new() { RequireCanonical = true };

    internal static void Write(IBufferWriter<byte> output, StoreCatalog catalog)
    {
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(StoreFields);
        writer.Write(catalog.Created.UtcDateTime);
        writer.Write(catalog.Engine);
        writer.Write(catalog.NextShardId);
        writer.WriteArrayHeader(catalog.Namespaces.Count);
        foreach (CatalogNamespace space in catalog.Namespaces)
        {
            writer.WriteArrayHeader(NamespaceFields);
            writer.Write(space.Id);
            writer.Write(space.Name);
            WriteSettings(ref writer, space.Options);
            writer.WriteArrayHeader(space.Shards.Count);
            foreach (ShardHashRange shard in space.Shards)
            {
                writer.WriteArrayHeader(ShardFields);
                writer.Write(shard.ShardId);
                writer.Write(shard.Start);
                writer.Write(shard.End);
            }
        }

        writer.WriteArrayHeader(catalog.Topics.Count);
        foreach (CatalogTopic topic in catalog.Topics) CatalogTopicCodec.Write(ref writer, topic);
        writer.Flush();
    }

    /// <summary>Reads a content whose checksum fits.</summary>
    /// <exception cref="MalformedDataException">It is not what <see cref="Write"/> writes.</exception>
    internal static StoreCatalog Read(Guid storeId, ReadOnlySpan<byte> content)
    {
        var reader = new MessagePackReader(content, _limits);
        CatalogParts.RequireFields(ref reader, StoreFields, "store");
        var catalog = new StoreCatalog
        {
            StoreId = storeId,
            Created = new DateTimeOffset(reader.ReadDateTime()),
            Engine = CatalogParts.ReadText(ref reader),
            NextShardId = reader.ReadInt64(),
            Namespaces = ReadNamespaces(ref reader),
            Topics = ReadTopics(ref reader),
        };
        reader.ReadEnd();
        return catalog;
    }

    private static CatalogNamespace[] ReadNamespaces(ref MessagePackReader reader)
    {
        var spaces = new CatalogNamespace[reader.ReadArrayHeader()];
        for (int i = 0; i < spaces.Length; i++)
        {
            CatalogParts.RequireFields(ref reader, NamespaceFields, "namespace");
            long id = reader.ReadInt64();
            string name = CatalogParts.ReadText(ref reader);
            NamespaceOptions settings = ReadSettings(ref reader);
            ShardHashRange[] shards = ReadShards(ref reader);
            spaces[i] = new CatalogNamespace { Id = id, Name = name, Options = settings with { ShardCount = shards.Length }, Shards = shards };
        }

        return spaces;
    }

    private static CatalogTopic[] ReadTopics(ref MessagePackReader reader)
    {
        var topics = new CatalogTopic[reader.ReadArrayHeader()];
        foreach (ref CatalogTopic topic in topics.AsSpan()) topic = CatalogTopicCodec.Read(ref reader);
        return topics;
    }

    private static ShardHashRange[] ReadShards(ref MessagePackReader reader)
    {
        var shards = new ShardHashRange[reader.ReadArrayHeader()];
        for (int i = 0; i < shards.Length; i++)
        {
            CatalogParts.RequireFields(ref reader, ShardFields, "shard");
            shards[i] = new ShardHashRange(reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64());
        }

        return shards;
    }

    private static void WriteSettings(ref MessagePackWriter writer, NamespaceOptions settings)
    {
        writer.WriteArrayHeader(SettingFields);
        writer.Write((long)settings.KeyOrder.Number);
        writer.Write((long)settings.MaxKeyBytes);
        writer.Write((long)settings.MaxValueBytes);
        writer.Write((long)settings.MaxBatchBytes);
        writer.Write((long)settings.ChangeLogEntries);
        writer.Write(settings.ChangeLogBytes);
        CatalogParts.Write(ref writer, settings.ClientIdleTimeout);
        writer.Write((long)settings.MaxClients);
        writer.Write((long)settings.MaxSessions);
    }

    private static NamespaceOptions ReadSettings(ref MessagePackReader reader)
    {
        CatalogParts.RequireFields(ref reader, SettingFields, "settings");
        long at = reader.Consumed;
        if (!KeyOrder.TryGet(reader.ReadByte(), out KeyOrder? order)) throw new MalformedDataException(at, "there is no key order of that number");
        return new NamespaceOptions
        {
            KeyOrder = order,
            MaxKeyBytes = reader.ReadInt32(),
            MaxValueBytes = reader.ReadInt32(),
            MaxBatchBytes = reader.ReadInt32(),
            ChangeLogEntries = reader.ReadInt32(),
            ChangeLogBytes = reader.ReadInt64(),
            ClientIdleTimeout = CatalogParts.ReadMilliseconds(ref reader),
            MaxClients = reader.ReadInt32(),
            MaxSessions = reader.ReadInt32(),
        };
    }
}
