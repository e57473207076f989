using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Maelstrom;

/// <summary>JSON as it goes over the line and into the store.</summary>
internal static class JsonText
{
    private static readonly JsonDocumentOptions _strict = new() { AllowDuplicateProperties = false };
    private static readonly JsonWriterOptions _plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };   // No page of HTML is near, and base64 has many a '+'.

    /// <summary>Reads a document.</summary>
    /// <exception cref="JsonException">It is none, or names a member twice.</exception>
    internal static JsonElement Parse(string text) => JsonDocument.Parse(text, _strict).RootElement;

    /// <summary>The bytes of an object, on one line that is ended.</summary>
    internal static byte[] ToLine(JsonObject value)
    {
        byte[] text = Write(writer => value.WriteTo(writer));
        return [.. text, (byte)'\n'];
    }

    /// <summary>The text that equal values have in common: without spaces, members sorted by name, strings escaped in one way.</summary>
    /// <exception cref="RequestException">A string in it is no text.</exception>
    /// <remarks>A number stays as it was written, so 1 and 1.0 differ, as they do for Maelstrom.</remarks>
    internal static byte[] Canonical(JsonElement value)
    {
        try
        {
            return Write(writer => WriteSorted(writer, value));
        }
        catch (InvalidOperationException e)   // Half of a surrogate pair.
        {
            throw new RequestException(ErrorCode.MalformedRequest, e.Message);
        }
    }

    private static byte[] Write(Action<Utf8JsonWriter> write)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(bytes, _plain)) write(writer);
        return bytes.WrittenSpan.ToArray();
    }

    private static void WriteSorted(Utf8JsonWriter writer, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (JsonProperty member in value.EnumerateObject().OrderBy(member => member.Name, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(member.Name);
                    WriteSorted(writer, member.Value);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (JsonElement item in value.EnumerateArray()) WriteSorted(writer, item);
                writer.WriteEndArray();
                break;
            default:
                value.WriteTo(writer);
                break;
        }
    }
}
