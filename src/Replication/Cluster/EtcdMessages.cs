using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace Tidemark.Replication.Cluster;

/// <summary>What is said to etcd and what it answers, in the JSON of its gateway: bytes in base64, numbers of 64 bits as text, fields left out where they are zero or false.</summary>
internal static class EtcdMessages
{
    internal static byte[] Range(byte[] key) => Build(json => json.WriteBase64String("key", key));

    /// <summary>Puts the value if the key was modified last by a revision; 0 for never.</summary>
    internal static byte[] PutIfModifiedBy(byte[] key, ReadOnlyMemory<byte> value, long revision) => Build(json =>
    {
        json.WriteStartArray("compare");
        json.WriteStartObject();
        json.WriteBase64String("key", key);
        json.WriteString("target", "MOD");
        json.WriteString("result", "EQUAL");
        json.WriteString("mod_revision", revision.ToString(CultureInfo.InvariantCulture));
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteStartArray("success");
        json.WriteStartObject();
        json.WriteStartObject("request_put");
        json.WriteBase64String("key", key);
        json.WriteBase64String("value", value.Span);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndArray();
    });

    internal static byte[] Watch(byte[] key, long fromRevision) => Build(json =>
    {
        json.WriteStartObject("create_request");
        json.WriteBase64String("key", key);
        json.WriteString("start_revision", fromRevision.ToString(CultureInfo.InvariantCulture));
        json.WriteEndObject();
    });

    internal static byte[] Authenticate(string user, string password) => Build(json =>
    {
        json.WriteString("name", user);
        json.WriteString("password", password);
    });

    /// <summary>The document and the revision of the whole of etcd at which it was read.</summary>
    internal static (ClusterStatusEntry? Entry, long Revision) ReadRange(JsonElement reply)
    {
        long revision = Revision(reply);
        if (!reply.TryGetProperty("kvs", out JsonElement found) || found.GetArrayLength() == 0) return (null, revision);
        JsonElement pair = found[0];
        byte[] content = pair.TryGetProperty("value", out JsonElement value) ? value.GetBytesFromBase64() : [];
        return (new ClusterStatusEntry(content, Number(pair, "mod_revision")), revision);
    }

    /// <summary>The revision that put the value; null where the comparison failed.</summary>
    internal static long? ReadPut(JsonElement reply)
    {
        bool succeeded = reply.TryGetProperty("succeeded", out JsonElement said) && said.GetBoolean();
        return succeeded ? Revision(reply) : null;
    }

    internal static string ReadToken(JsonElement reply) => reply.GetProperty("token").GetString()!;

    /// <summary>What went wrong, in etcd's words; null where the reply is no error.</summary>
    internal static string? ReadError(JsonElement reply)
    {
        if (reply.ValueKind != JsonValueKind.Object || !reply.TryGetProperty("error", out JsonElement error)) return null;
        return error.ValueKind == JsonValueKind.Object && error.TryGetProperty("message", out JsonElement message) ? message.GetString() : error.ToString();
    }

    /// <summary>Why etcd ended a watch; null where it goes on. Empty where the revisions it began with were compacted away, so that it may be made anew.</summary>
    internal static string? ReadWatchEnd(JsonElement message)
    {
        if (ReadError(message) is { } error) return error;
        JsonElement result = message.GetProperty("result");
        if (!result.TryGetProperty("canceled", out JsonElement canceled) || !canceled.GetBoolean()) return null;
        if (result.TryGetProperty("compact_revision", out _)) return "";
        return result.TryGetProperty("cancel_reason", out JsonElement reason) ? reason.GetString()! : "etcd cancelled the watch";
    }

    private static long Revision(JsonElement reply) => Number(reply.GetProperty("header"), "revision");

    private static long Number(JsonElement element, string name) => long.Parse(element.GetProperty(name).GetString()!, NumberStyles.None, CultureInfo.InvariantCulture);

    private static byte[] Build(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }
}
