using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Security.Cryptography;

namespace Tidemark;

/// <summary>The SHA-256 of some bytes: a name for content that nobody needs to hand out and nobody can forge.</summary>
/// <remarks><c>default</c> is 32 zero bytes and stands for "none". Order, bytes and text agree. Bytes: docs/format/hashing.md.</remarks>
public readonly struct ContentId :
    IEquatable<ContentId>, IComparable<ContentId>, IComparisonOperators<ContentId, ContentId, bool>,
    ISpanFormattable, ISpanParsable<ContentId>
{
    /// <summary>The size of the byte form.</summary>
    public const int SizeInBytes = 32;

    /// <summary>The length of the text form, in characters.</summary>
    public const int TextLength = 2 * SizeInBytes;

    /// <summary>The number that stands beside a stored id and names its algorithm, SHA-256.</summary>
    public const byte Algorithm = 2;

    private static readonly SearchValues<char> _digits = SearchValues.Create("0123456789abcdef");

    // Big-endian words, so that comparing words in order compares bytes in order.
    private readonly ulong _first, _second, _third, _fourth;

    private ContentId(ReadOnlySpan<byte> bytes)
    {
        _first = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        _second = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
        _third = BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]);
        _fourth = BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]);
    }

    /// <summary>The id of the content. Costs about half a microsecond and half a nanosecond a byte; allocates nothing.</summary>
    public static ContentId Compute(ReadOnlySpan<byte> content)
    {
        Span<byte> digest = stackalloc byte[SizeInBytes];
        SHA256.HashData(content, digest);
        return new ContentId(digest);
    }

    /// <summary>Reads the 32 bytes <see cref="WriteTo"/> wrote, or a SHA-256 digest computed piece by piece. All values are valid.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The span is shorter than <see cref="SizeInBytes"/>.</exception>
    public static ContentId ReadFrom(ReadOnlySpan<byte> source)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(source.Length, SizeInBytes, nameof(source));
        return new ContentId(source);
    }

    /// <summary>Writes the 32 bytes of the digest. Their order is the order of ids.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The span is shorter than <see cref="SizeInBytes"/>.</exception>
    public void WriteTo(Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(destination.Length, SizeInBytes, nameof(destination));
        BinaryPrimitives.WriteUInt64BigEndian(destination, _first);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _second);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], _third);
        BinaryPrimitives.WriteUInt64BigEndian(destination[24..], _fourth);
    }

    /// <inheritdoc/>
    public int CompareTo(ContentId other)
    {
        int order = _first.CompareTo(other._first);
        if (order == 0) order = _second.CompareTo(other._second);
        if (order == 0) order = _third.CompareTo(other._third);
        return order != 0 ? order : _fourth.CompareTo(other._fourth);
    }

    /// <inheritdoc/>
    public bool Equals(ContentId other)
        => _first == other._first && _second == other._second && _third == other._third && _fourth == other._fourth;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is ContentId other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => (int)_fourth;   // Every bit of a digest is as good as any other.

    /// <inheritdoc/>
    public static bool operator ==(ContentId left, ContentId right) => left.Equals(right);

    /// <inheritdoc/>
    public static bool operator !=(ContentId left, ContentId right) => !left.Equals(right);

    /// <inheritdoc/>
    public static bool operator <(ContentId left, ContentId right) => left.CompareTo(right) < 0;

    /// <inheritdoc/>
    public static bool operator >(ContentId left, ContentId right) => left.CompareTo(right) > 0;

    /// <inheritdoc/>
    public static bool operator <=(ContentId left, ContentId right) => left.CompareTo(right) <= 0;

    /// <inheritdoc/>
    public static bool operator >=(ContentId left, ContentId right) => left.CompareTo(right) >= 0;

    /// <summary>64 lower-case hex digits. Their ordinal order is the order of ids.</summary>
    public override string ToString() => string.Create(TextLength, this, static (text, id) => id.TryFormat(text, out _));

    /// <inheritdoc cref="ToString()"/>
    /// <exception cref="FormatException">The format is neither null, empty nor "G".</exception>
    public string ToString(string? format, IFormatProvider? formatProvider)
    {
        RequireGeneralFormat(format);
        return ToString();
    }

    /// <inheritdoc/>
    public bool TryFormat(Span<char> destination, out int charsWritten, ReadOnlySpan<char> format = default, IFormatProvider? provider = null)
    {
        RequireGeneralFormat(format);
        Span<byte> bytes = stackalloc byte[SizeInBytes];
        WriteTo(bytes);
        return Convert.TryToHexStringLower(bytes, destination, out charsWritten);
    }

    /// <summary>Reads the text <see cref="ToString()"/> gives, and no other spelling.</summary>
    /// <exception cref="FormatException">The text is not 64 lower-case hex digits.</exception>
    public static ContentId Parse(ReadOnlySpan<char> s, IFormatProvider? provider = null)
        => TryParse(s, provider, out ContentId id) ? id : throw new FormatException($"A content id is {TextLength} lower-case hex digits.");

    /// <inheritdoc cref="Parse(ReadOnlySpan{char}, IFormatProvider?)"/>
    public static ContentId Parse(string s, IFormatProvider? provider = null)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s.AsSpan(), provider);
    }

    /// <summary>Reads the text <see cref="ToString()"/> gives, and no other spelling; false where it is something else.</summary>
    public static bool TryParse(ReadOnlySpan<char> s, out ContentId result) => TryParse(s, null, out result);

    /// <inheritdoc cref="TryParse(ReadOnlySpan{char}, out ContentId)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out ContentId result)
        => TryParse(s.AsSpan(), provider, out result);

    /// <inheritdoc cref="TryParse(ReadOnlySpan{char}, out ContentId)"/>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out ContentId result)
    {
        result = default;
        if (s.Length != TextLength || s.ContainsAnyExcept(_digits)) return false;
        Span<byte> bytes = stackalloc byte[SizeInBytes];
        Convert.FromHexString(s, bytes, out _, out _);
        result = new ContentId(bytes);
        return true;
    }

    private static void RequireGeneralFormat(ReadOnlySpan<char> format)
    {
        if (format is not ("" or "G" or "g")) throw new FormatException("A content id has one format: \"G\".");
    }
}
