using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace Tidemark;

/// <summary>A timestamp with the node that gave it out: no two events share one, so any set of them has one order.</summary>
/// <param name="Timestamp">When; compared first.</param>
/// <param name="NodeId">Where; compared as a number where the times are equal. Each node has its own.</param>
/// <remarks>Bytes and text: docs/format/timestamp.md.</remarks>
public readonly record struct UniqueTimestamp(HybridTimestamp Timestamp, ulong NodeId) :
    IComparable<UniqueTimestamp>, IComparable,
    IComparisonOperators<UniqueTimestamp, UniqueTimestamp, bool>, IMinMaxValue<UniqueTimestamp>,
    ISpanFormattable, IUtf8SpanFormattable, ISpanParsable<UniqueTimestamp>, IUtf8SpanParsable<UniqueTimestamp>
{
    /// <summary>The size of the byte form.</summary>
    public const int SizeInBytes = HybridTimestamp.SizeInBytes + sizeof(ulong);

    /// <summary>The length of the text form, in characters and in UTF-8 bytes.</summary>
    public const int TextLength = TimestampText.UniqueLength;

    /// <summary>The smallest time on node 0: the same as <c>default</c>.</summary>
    public static UniqueTimestamp MinValue => default;

    /// <summary>The largest time on the node with the largest id.</summary>
    public static UniqueTimestamp MaxValue => new(HybridTimestamp.MaxValue, ulong.MaxValue);

    /// <summary>Writes the 16 bytes whose order is the order of the values.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The span is shorter than <see cref="SizeInBytes"/>. Nothing was written.</exception>
    public void WriteTo(Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(destination.Length, SizeInBytes, nameof(destination));
        Timestamp.WriteTo(destination);
        BinaryPrimitives.WriteUInt64BigEndian(destination[HybridTimestamp.SizeInBytes..], NodeId);
    }

    /// <summary>Reads what <see cref="WriteTo"/> wrote. All 16-byte values are valid.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The span is shorter than <see cref="SizeInBytes"/>.</exception>
    public static UniqueTimestamp ReadFrom(ReadOnlySpan<byte> source)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(source.Length, SizeInBytes, nameof(source));
        return new(HybridTimestamp.ReadFrom(source), BinaryPrimitives.ReadUInt64BigEndian(source[HybridTimestamp.SizeInBytes..]));
    }

    /// <inheritdoc/>
    public int CompareTo(UniqueTimestamp other)
    {
        int byTime = Timestamp.CompareTo(other.Timestamp);
        return byTime != 0 ? byTime : NodeId.CompareTo(other.NodeId);
    }

    /// <inheritdoc/>
    public int CompareTo(object? obj) => obj switch
    {
        null => 1,
        UniqueTimestamp other => CompareTo(other),
        _ => throw new ArgumentException($"A {nameof(UniqueTimestamp)} compares only with its own kind.", nameof(obj)),
    };

    /// <inheritdoc/>
    public static bool operator <(UniqueTimestamp left, UniqueTimestamp right) => left.CompareTo(right) < 0;

    /// <inheritdoc/>
    public static bool operator >(UniqueTimestamp left, UniqueTimestamp right) => left.CompareTo(right) > 0;

    /// <inheritdoc/>
    public static bool operator <=(UniqueTimestamp left, UniqueTimestamp right) => left.CompareTo(right) <= 0;

    /// <inheritdoc/>
    public static bool operator >=(UniqueTimestamp left, UniqueTimestamp right) => left.CompareTo(right) >= 0;

    /// <summary>Text of fixed width that sorts ordinally, for example <c>2026-11-21T03:45:46.123456Z.0a3@000000000000002a</c>.</summary>
    public override string ToString() => string.Create(TextLength, this, static (text, value) => TimestampText.WriteUnique(value, text));

    /// <inheritdoc cref="ToString()"/>
    /// <exception cref="FormatException">The format is neither null, empty nor "G".</exception>
    public string ToString(string? format, IFormatProvider? formatProvider)
    {
        TimestampText.RequireGeneralFormat(format);
        return ToString();
    }

    /// <inheritdoc/>
    public bool TryFormat(Span<char> destination, out int charsWritten, ReadOnlySpan<char> format = default, IFormatProvider? provider = null)
    {
        TimestampText.RequireGeneralFormat(format);
        bool fits = destination.Length >= TextLength;
        if (fits) TimestampText.WriteUnique(this, destination);
        charsWritten = fits ? TextLength : 0;
        return fits;
    }

    /// <inheritdoc/>
    public bool TryFormat(Span<byte> utf8Destination, out int bytesWritten, ReadOnlySpan<char> format = default, IFormatProvider? provider = null)
    {
        TimestampText.RequireGeneralFormat(format);
        bool fits = utf8Destination.Length >= TextLength;
        if (fits) TimestampText.WriteUnique(this, utf8Destination);
        bytesWritten = fits ? TextLength : 0;
        return fits;
    }

    /// <summary>Reads the text <see cref="ToString()"/> gives, and no other spelling.</summary>
    /// <exception cref="FormatException">The text is not of that form or lies outside the range.</exception>
    public static UniqueTimestamp Parse(ReadOnlySpan<char> s, IFormatProvider? provider = null)
        => TimestampText.TryReadUnique(s, out UniqueTimestamp value) ? value : throw TimestampText.NotThisForm(nameof(UniqueTimestamp), default(UniqueTimestamp));

    /// <inheritdoc cref="Parse(ReadOnlySpan{char}, IFormatProvider?)"/>
    public static UniqueTimestamp Parse(string s, IFormatProvider? provider = null)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s.AsSpan(), provider);
    }

    /// <inheritdoc cref="Parse(ReadOnlySpan{char}, IFormatProvider?)"/>
    public static UniqueTimestamp Parse(ReadOnlySpan<byte> utf8Text, IFormatProvider? provider = null)
        => TimestampText.TryReadUnique(utf8Text, out UniqueTimestamp value) ? value : throw TimestampText.NotThisForm(nameof(UniqueTimestamp), default(UniqueTimestamp));

    /// <summary>Reads the text <see cref="ToString()"/> gives, and no other spelling; false where it is something else.</summary>
    public static bool TryParse(ReadOnlySpan<char> s, out UniqueTimestamp result) => TimestampText.TryReadUnique(s, out result);

    /// <inheritdoc cref="TryParse(ReadOnlySpan{char}, out UniqueTimestamp)"/>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out UniqueTimestamp result) => TimestampText.TryReadUnique(s, out result);

    /// <inheritdoc cref="TryParse(ReadOnlySpan{char}, out UniqueTimestamp)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out UniqueTimestamp result)
        => TimestampText.TryReadUnique(s.AsSpan(), out result);

    /// <inheritdoc cref="TryParse(ReadOnlySpan{char}, out UniqueTimestamp)"/>
    public static bool TryParse(ReadOnlySpan<byte> utf8Text, IFormatProvider? provider, out UniqueTimestamp result)
        => TimestampText.TryReadUnique(utf8Text, out result);
}
