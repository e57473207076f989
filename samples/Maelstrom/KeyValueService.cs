using System.Text.Json;
using System.Text.Json.Nodes;

using Tidemark;

namespace Maelstrom;

/// <summary>The workload lin-kv on a store: read, write, and compare-and-set. Keys and values are any JSON, held as canonical text: equal ones have equal bytes.</summary>
internal static class KeyValueService
{
    internal static async Task<JsonObject> ReadAsync(KeyValueStore store, Message request)
    {
        StoreKey key = Canonical(request, "key");
        StoreRecord record = await store.GetAsync(key) ?? throw Missing(key);
        return new JsonObject { ["type"] = "read_ok", ["value"] = JsonNode.Parse(record.Value.Span) };
    }

    internal static async Task<JsonObject> WriteAsync(KeyValueStore store, Message request)
    {
        WriteResult result = await store.PutAsync(Canonical(request, "key"), Canonical(request, "value"));
        result.ThrowIfRefused();
        return new JsonObject { ["type"] = "write_ok" };
    }

    internal static async Task<JsonObject> CompareAndSetAsync(KeyValueStore store, Message request)
    {
        StoreKey key = Canonical(request, "key");
        byte[] from = Canonical(request, "from"), to = Canonical(request, "to");
        bool creates = request.Body.TryGetProperty("create_if_not_exists", out JsonElement create) && create.ValueKind == JsonValueKind.True;
        while (true)
        {
            StoreRecord? found = await store.GetAsync(key);
            if (found is null && !creates) throw Missing(key);
            if (found is { } record && !record.Value.Span.SequenceEqual(from))
                throw new RequestException(ErrorCode.PreconditionFailed, $"The value of {key} is {record.GetString()}.");
            WriteResult result = await store.PutAsync(key, to, PutOptions.None.AtVersion(found?.Version ?? 0));
            if (result.Status == StoreStatus.VersionMismatch) continue;   // Another write came between. What it left decides.
            result.ThrowIfRefused();
            return new JsonObject { ["type"] = "cas_ok" };
        }
    }

    private static byte[] Canonical(Message request, string name) => JsonText.Canonical(request[name]);

    private static RequestException Missing(StoreKey key) => new(ErrorCode.KeyDoesNotExist, $"There is no key {key}.");
}
