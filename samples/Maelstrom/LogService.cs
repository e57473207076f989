using System.Text.Json;
using System.Text.Json.Nodes;

using Tidemark;

namespace Maelstrom;

/// <summary>The workload kafka on a topic: a log for each key, of which several share a partition, so that its offsets rise and have gaps; and how far clients have read them.</summary>
internal static class LogService
{
    private const string Name = "kafka";
    private const int MostMessages = 100;   // Of a key, in one answer.

    private static readonly TopicOptions _options = new() { Partitions = 4 };

    internal static async Task<JsonObject> SendAsync(TidemarkNode node, Message request)
    {
        var message = new TopicMessage(JsonText.Canonical(request["msg"])) { Key = JsonText.Canonical(request["key"]) };
        Topic topic = await node.Topics.GetOrCreateAsync(Name, _options);
        AppendResult result = await topic.AppendAsync(message);
        return new JsonObject { ["type"] = "send_ok", ["offset"] = result.Offset };
    }

    internal static async Task<JsonObject> PollAsync(TidemarkNode node, Message request)
    {
        var found = new JsonObject();
        foreach ((string key, long offset) in Offsets(request)) found[key] = node.Topics.Find(Name) is { } topic ? await ReadAsync(topic, key, offset) : new JsonArray();
        return new JsonObject { ["type"] = "poll_ok", ["msgs"] = found };
    }

    internal static async Task<JsonObject> CommitAsync(KeyValueStore store, Message request)
    {
        foreach ((string key, long offset) in Offsets(request))
        {
            while (true)
            {
                StoreRecord? known = await store.GetAsync(RowOf(key));
                if (known is { } found && BitConverter.ToInt64(found.Value.Span) >= offset) break;
                if ((await store.PutAsync(RowOf(key), BitConverter.GetBytes(offset), PutOptions.None.AtVersion(known?.Version ?? 0))).Status == StoreStatus.Ok) break;
            }
        }

        return new JsonObject { ["type"] = "commit_offsets_ok" };
    }

    internal static async Task<JsonObject> ListAsync(KeyValueStore store, Message request)
    {
        JsonElement keys = request["keys"];
        if (keys.ValueKind != JsonValueKind.Array) throw new RequestException(ErrorCode.MalformedRequest, "'keys' is a list.");
        var offsets = new JsonObject();
        foreach (JsonElement item in keys.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.String) throw new RequestException(ErrorCode.MalformedRequest, "A key is text.");
            string key = item.GetString()!;
            if (await store.GetAsync(RowOf(key)) is { } record) offsets[key] = BitConverter.ToInt64(record.Value.Span);
        }

        return new JsonObject { ["type"] = "list_committed_offsets_ok", ["offsets"] = offsets };
    }

    /// <summary>The messages of a key from an offset on; at least one, where there is one.</summary>
    private static async Task<JsonArray> ReadAsync(Topic topic, string key, long offset)
    {
        StoreKey wanted = JsonText.Canonical(JsonSerializer.SerializeToElement(key));
        int partition = topic.PartitionOf(wanted);
        var messages = new JsonArray();
        while (true)
        {
            TopicPage page = await topic.ReadAsync(partition, TopicPosition.At(offset), new TopicReadOptions { OutOfRange = OutOfRangePolicy.End });
            foreach (StoredMessage message in page.Messages.Where(message => message.Key == wanted).Take(MostMessages)) messages.Add(new JsonArray(message.Offset, JsonNode.Parse(message.Payload.Span)));
            if (messages.Count > 0 || page.Next >= page.End) return messages;
            offset = page.Next;
        }
    }

    private static IEnumerable<(string Key, long Offset)> Offsets(Message request)
    {
        JsonElement offsets = request["offsets"];
        if (offsets.ValueKind != JsonValueKind.Object) throw new RequestException(ErrorCode.MalformedRequest, "'offsets' is an object.");
        foreach (JsonProperty property in offsets.EnumerateObject())
            yield return (property.Name, property.Value.TryGetInt64(out long offset) && offset >= 0 ? offset : throw new RequestException(ErrorCode.MalformedRequest, "An offset is a whole number of 0 or more."));
    }

    private static StoreKey RowOf(string key) => $"committed|{key}";
}
