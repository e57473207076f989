using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace Tidemark;

/// <summary>A hybrid logical time: 52 bits of Unix microseconds and a 12-bit counter in one word that sorts.</summary>
/// <remarks>
/// The range ends at 2112-09-17T23:53:47.370495Z; going beyond is an error, never a wrap. <c>default</c> is <see cref="MinValue"/>
/// and stands for "none". Two nodes may give out equal timestamps: see <see cref="UniqueTimestamp"/>.
/// Bytes and text: docs/format/timestamp.md.
/// </remarks>
public readonly struct HybridTimestamp :
    IEquatable<HybridTimestamp>, IComparable<HybridTimestamp>, IComparable,
    IComparisonOperators<HybridTimestamp, HybridTimestamp, bool>, IMinMaxValue<HybridTimestamp>,
    ISpanFormattable, IUtf8SpanFormattable, ISpanParsable<HybridTimestamp>, IUtf8SpanParsable<HybridTimestamp>
{
    /// <summary>The size of the byte form.</summary>
    public const int SizeInBytes = 8;

    /// <summary>The length of the text form, in characters and in UTF-8 bytes.</summary>
    public const int TextLength = TimestampText.Length;

    /// <summary>The largest counter. One more carries into the next microsecond.</summary>
    public const int MaxCounter = (1 << CounterBits) - 1;

    /// <summary>The largest physical part, in Unix microseconds.</summary>
    public const long MaxUnixMicroseconds = (1L << (64 - CounterBits)) - 1;

    internal const int CounterBits = 12;

    /// <summary>Takes a whole word, as <see cref="Value"/> gives it. Every word is a timestamp.</summary>
    public HybridTimestamp(ulong value) => Value = value;

    /// <summary>1970-01-01T00:00:00Z with counter 0: the same as <c>default</c>.</summary>
    public static HybridTimestamp MinValue => default;

    /// <summary>2112-09-17T23:53:47.370495Z with counter 4095. Nothing comes after it.</summary>
    public static HybridTimestamp MaxValue => new(ulong.MaxValue);

    /// <summary>The whole word: physical part in the upper 52 bits, counter in the lower 12. Its order is the order of time.</summary>
    public ulong Value { get; }

    /// <summary>The physical part in microseconds since 1970-01-01T00:00:00Z.</summary>
    public long UnixMicroseconds => (long)(Value >> CounterBits);

    /// <summary>The physical part as a UTC time, exact to the microsecond.</summary>
    public DateTimeOffset Physical => new(DateTime.UnixEpoch.AddTicks(UnixMicroseconds * TimeSpan.TicksPerMicrosecond));

    /// <summary>The counter within the microsecond, 0 to <see cref="MaxCounter"/>.</summary>
    public int Counter => (int)(Value & MaxCounter);

    /// <summary>Builds a timestamp from its two parts.</summary>
    /// <param name="unixMicroseconds">0 to <see cref="MaxUnixMicroseconds"/>.</param>
    /// <param name="counter">0 to <see cref="MaxCounter"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A part does not fit.</exception>
    public static HybridTimestamp FromParts(long unixMicroseconds, int counter)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(unixMicroseconds);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(unixMicroseconds, MaxUnixMicroseconds);
        ArgumentOutOfRangeException.ThrowIfNegative(counter);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(counter, MaxCounter);
        return new HybridTimestamp(((ulong)unixMicroseconds << CounterBits) | (uint)counter);
    }

    /// <summary>The first timestamp of the microsecond a time lies in: finer digits are cut off, the counter is 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The time is before 1970 or after <see cref="MaxValue"/>.</exception>
    public static HybridTimestamp FromDateTimeOffset(DateTimeOffset time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(time, MinValue.Physical);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(time, MaxValue.Physical.AddMicroseconds(1));
        return FromParts((time.UtcTicks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond, 0);
    }

    /// <summary>The timestamp right after this one.</summary>
    /// <exception cref="OverflowException">This is <see cref="MaxValue"/>.</exception>
    public HybridTimestamp Next() => Next(1);

    /// <summary>The timestamp that many steps after this one, as in a run that was reserved at once.</summary>
    /// <param name="steps">0 or more. 4096 steps are one microsecond.</param>
    /// <exception cref="OverflowException">The result lies beyond <see cref="MaxValue"/>.</exception>
    public HybridTimestamp Next(long steps)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(steps);
        if ((ulong)steps > ulong.MaxValue - Value) ThrowNothingAfter();
        return new HybridTimestamp(Value + (ulong)steps);
    }

    /// <summary>The span of true time this timestamp may stand for when clocks are off by up to <paramref name="drift"/>.</summary>
    /// <param name="drift">0 or more, rounded up to whole microseconds.</param>
    /// <returns>Both ends included. They stop at <see cref="MinValue"/> and <see cref="MaxValue"/>.</returns>
    public UncertaintyInterval GetUncertainty(TimeSpan drift)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(drift, TimeSpan.Zero);
        long radius = ((drift.Ticks - 1) / TimeSpan.TicksPerMicrosecond) + (drift.Ticks > 0 ? 1 : 0);
        long earliest = Math.Max(UnixMicroseconds - radius, 0);
        long latest = Math.Min(UnixMicroseconds + radius, MaxUnixMicroseconds);
        return new UncertaintyInterval(FromParts(earliest, 0), FromParts(latest, MaxCounter));
    }

    /// <summary>Writes the 8 bytes whose order is the order of time (big-endian).</summary>
    /// <exception cref="ArgumentOutOfRangeException">The span is shorter than <see cref="SizeInBytes"/>.</exception>
    public void WriteTo(Span<byte> destination) => BinaryPrimitives.WriteUInt64BigEndian(destination, Value);

    /// <summary>Reads what <see cref="WriteTo"/> wrote. All 8-byte values are valid.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The span is shorter than <see cref="SizeInBytes"/>.</exception>
    public static HybridTimestamp ReadFrom(ReadOnlySpan<byte> source) => new(BinaryPrimitives.ReadUInt64BigEndian(source));

    /// <inheritdoc/>
    public int CompareTo(HybridTimestamp other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public int CompareTo(object? obj) => obj switch
    {
        null => 1,
        HybridTimestamp other => CompareTo(other),
        _ => throw new ArgumentException($"A {nameof(HybridTimestamp)} compares only with its own kind.", nameof(obj)),
    };

    /// <inheritdoc/>
    public bool Equals(HybridTimestamp other) => Value == other.Value;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is HybridTimestamp other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Value.GetHashCode();

    /// <inheritdoc/>
    public static bool operator ==(HybridTimestamp left, HybridTimestamp right) => left.Value == right.Value;

    /// <inheritdoc/>
    public static bool operator !=(HybridTimestamp left, HybridTimestamp right) => left.Value != right.Value;

    /// <inheritdoc/>
    public static bool operator <(HybridTimestamp left, HybridTimestamp right) => left.Value < right.Value;

    /// <inheritdoc/>
    public static bool operator >(HybridTimestamp left, HybridTimestamp right) => left.Value > right.Value;

    /// <inheritdoc/>
    public static bool operator <=(HybridTimestamp left, HybridTimestamp right) => left.Value <= right.Value;

    /// <inheritdoc/>
    public static bool operator >=(HybridTimestamp left, HybridTimestamp right) => left.Value >= right.Value;

    /// <summary>Text of fixed width whose ordinal order is the order of time, for example <c>2026-11-21T03:45:46.123456Z.0a3</c>.</summary>
    public override string ToString() => string.Create(TextLength, this, static (text, value) => TimestampText.Write(value, text));

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
        if (fits) TimestampText.Write(this, destination);
        charsWritten = fits ? TextLength : 0;
        return fits;
    }

    /// <inheritdoc/>
    public bool TryFormat(Span<byte> utf8Destination, out int bytesWritten, ReadOnlySpan<char> format = default, IFormatProvider? provider = null)
    {
        TimestampText.RequireGeneralFormat(format);
        bool fits = utf8Destination.Length >= TextLength;
        if (fits) TimestampText.Write(this, utf8Destination);
        bytesWritten = fits ? TextLength : 0;
        return fits;
    }

    /// <summary>Reads the text <see cref="ToString()"/> gives, and no other spelling.</summary>
    /// <exception cref="FormatException">The text is not of that form or lies outside the range.</exception>
    public static HybridTimestamp Parse(ReadOnlySpan<char> s, IFormatProvider? provider = null)
        => TimestampText.TryRead(s, out HybridTimestamp value) ? value : throw TimestampText.NotThisForm(nameof(HybridTimestamp), default(HybridTimestamp));

    /// <inheritdoc cref="Parse(ReadOnlySpan{char}, IFormatProvider?)"/>
    public static HybridTimestamp Parse(string s, IFormatProvider? provider = null)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s.AsSpan(), provider);
    }

    /// <inheritdoc cref="Parse(ReadOnlySpan{char}, IFormatProvider?)"/>
    public static HybridTimestamp Parse(ReadOnlySpan<byte> utf8Text, IFormatProvider? provider = null)
        => TimestampText.TryRead(utf8Text, out HybridTimestamp value) ? value : throw TimestampText.NotThisForm(nameof(HybridTimestamp), default(HybridTimestamp));

    /// <summary>Reads the text <see cref="ToString()"/> gives, and no other spelling; false where it is something else.</summary>
    public static bool TryParse(ReadOnlySpan<char> s, out HybridTimestamp result) => TimestampText.TryRead(s, out result);

    /// <inheritdoc cref="TryParse(ReadOnlySpan{char}, out HybridTimestamp)"/>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out HybridTimestamp result) => TimestampText.TryRead(s, out result);

    /// <inheritdoc cref="TryParse(ReadOnlySpan{char}, out HybridTimestamp)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out HybridTimestamp result)
        => TimestampText.TryRead(s.AsSpan(), out result);

    /// <inheritdoc cref="TryParse(ReadOnlySpan{char}, out HybridTimestamp)"/>
    public static bool TryParse(ReadOnlySpan<byte> utf8Text, IFormatProvider? provider, out HybridTimestamp result)
        => TimestampText.TryRead(utf8Text, out result);

    [DoesNotReturn]
    internal static void ThrowNothingAfter()
        => throw new OverflowException($"Hybrid timestamps end at {MaxValue}: there is none after it.");
}
