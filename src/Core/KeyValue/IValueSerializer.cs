using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Tidemark;

/// <summary>Turns values of a type into bytes and back.</summary>
/// <typeparam name="T">The type.</typeparam>
/// <remarks>Implementations are safe for concurrent calls. What was written once must stay readable.</remarks>
public interface IValueSerializer<T>
{
    /// <summary>Writes a value.</summary>
    void Serialize(T value, IBufferWriter<byte> output);

    /// <summary>Reads a value from exactly the bytes that were written.</summary>
    /// <exception cref="MalformedDataException">The bytes are no such value.</exception>
    T Deserialize(ReadOnlySpan<byte> bytes);
}

/// <summary>Serializers that need nothing but the runtime.</summary>
public static class ValueSerializer
{
    /// <summary>Values as JSON, by source-generated type information: <c>ValueSerializer.Json(MyContext.Default.Order)</c>. No reflection.</summary>
    public static IValueSerializer<T> Json<T>(JsonTypeInfo<T> typeInfo)
    {
        ArgumentNullException.ThrowIfNull(typeInfo);
        return new JsonValueSerializer<T>(typeInfo);
    }

    private sealed class JsonValueSerializer<T>(JsonTypeInfo<T> typeInfo) : IValueSerializer<T>
    {
        public void Serialize(T value, IBufferWriter<byte> output)
        {
            using var writer = new Utf8JsonWriter(output);
            JsonSerializer.Serialize(writer, value, typeInfo);
        }

        public T Deserialize(ReadOnlySpan<byte> bytes)
        {
            try
            {
                return JsonSerializer.Deserialize(bytes, typeInfo)!;
            }
            catch (JsonException e)
            {
                throw new MalformedDataException(e.BytePositionInLine ?? 0, $"the value is no JSON of {typeof(T).Name}: {e.Message}");
            }
        }
    }
}
