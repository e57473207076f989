using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Tidemark;

/// <summary>A key: bytes, or text that is taken as UTF-8.</summary>
/// <remarks>Equal by content. Bytes are not copied: do not change them afterwards.</remarks>
public readonly struct StoreKey : IEquatable<StoreKey>
{
    private static readonly UTF8Encoding _strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly ReadOnlyMemory<byte> _bytes;

    /// <summary>A key of bytes.</summary>
    public StoreKey(ReadOnlyMemory<byte> bytes) => _bytes = bytes;

    /// <summary>A key of text.</summary>
    /// <exception cref="ArgumentException">The text has half a surrogate pair.</exception>
    public StoreKey(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        _bytes = _strictUtf8.GetBytes(text);
    }

    /// <summary>How many bytes it has.</summary>
    public int Length => _bytes.Length;

    /// <summary>Whether it has none.</summary>
    public bool IsEmpty => _bytes.IsEmpty;

    /// <summary>The bytes.</summary>
    public ReadOnlySpan<byte> Span => _bytes.Span;

    /// <summary>The bytes.</summary>
    public ReadOnlyMemory<byte> Memory => _bytes;

    /// <summary>A key of text.</summary>
    public static implicit operator StoreKey(string text) => new(text);

    /// <summary>A key of bytes.</summary>
    public static implicit operator StoreKey(byte[] bytes) => new(bytes);

    /// <summary>A key of bytes.</summary>
    public static implicit operator StoreKey(ReadOnlyMemory<byte> bytes) => new(bytes);

    /// <summary>A key of text.</summary>
    public static StoreKey FromString(string text) => new(text);

    /// <summary>Whether both have the same bytes.</summary>
    public static bool operator ==(StoreKey left, StoreKey right) => left.Equals(right);

    /// <summary>Whether the bytes differ.</summary>
    public static bool operator !=(StoreKey left, StoreKey right) => !left.Equals(right);

    /// <inheritdoc/>
    public bool Equals(StoreKey other) => Span.SequenceEqual(other.Span);

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is StoreKey other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => (int)Core.Hashing.XxHash32.HashToUInt32(Span);

    /// <summary>The bytes as text; bytes that are not UTF-8 show as U+FFFD.</summary>
    public override string ToString() => Encoding.UTF8.GetString(Span);
}
