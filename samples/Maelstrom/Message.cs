using System.Text.Json;

namespace Maelstrom;

/// <summary>A message as it came: who sends it to whom, and what of its body has the same meaning in all.</summary>
internal sealed record Message(string Source, string Destination, string? Type, long? Id, long? InReplyTo, JsonElement Body)
{
    /// <summary>Reads a line.</summary>
    /// <returns>Null where it is no message that could be answered or taken for an answer.</returns>
    internal static Message? Read(string line)
    {
        try
        {
            JsonElement root = JsonText.Parse(line);
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("body", out JsonElement body) || body.ValueKind != JsonValueKind.Object) return null;
            return Text(root, "src") is { } source && Text(root, "dest") is { } destination
                ? new Message(source, destination, Text(body, "type"), Number(body, "msg_id"), Number(body, "in_reply_to"), body)
                : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)   // The second: a string that is no text.
        {
            return null;
        }
    }

    /// <summary>A member of the body.</summary>
    /// <exception cref="RequestException">There is none.</exception>
    internal JsonElement this[string name] =>
        Body.TryGetProperty(name, out JsonElement member) ? member : throw new RequestException(ErrorCode.MalformedRequest, $"'{name}' is missing.");

    /// <summary>A member of an object that is text; null where it is none.</summary>
    internal static string? Text(JsonElement from, string name) =>
        from.TryGetProperty(name, out JsonElement member) && member.ValueKind == JsonValueKind.String ? member.GetString() : null;

    /// <summary>A member of an object that is a whole number; null where it is none.</summary>
    internal static long? Number(JsonElement from, string name) =>
        from.TryGetProperty(name, out JsonElement member) && member.ValueKind == JsonValueKind.Number && member.TryGetInt64(out long number) ? number : null;
}
