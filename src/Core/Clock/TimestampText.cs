using System.Numerics;

namespace Tidemark;

/// <summary>The text of timestamps, written and read alike in UTF-16 and UTF-8. One text per value: docs/format/timestamp.md.</summary>
internal static class TimestampText
{
    public const int Length = 31;
    public const int NodeLength = 16;
    public const int UniqueLength = Length + 1 + NodeLength;

    private const string Shape = "0000-00-00T00:00:00.000000Z.000";   // A zero stands for a digit, all else for itself.

    /// <param name="value">The timestamp.</param>
    /// <param name="text">At least <see cref="Length"/> long.</param>
    public static void Write<T>(HybridTimestamp value, Span<T> text) where T : unmanaged, IBinaryInteger<T>
    {
        for (int i = 0; i < Shape.Length; i++) text[i] = T.CreateTruncating(Shape[i]);
        DateTimeOffset time = value.Physical;
        WriteDigits(text[..4], (uint)time.Year, 10);
        WriteDigits(text[5..7], (uint)time.Month, 10);
        WriteDigits(text[8..10], (uint)time.Day, 10);
        WriteDigits(text[11..13], (uint)time.Hour, 10);
        WriteDigits(text[14..16], (uint)time.Minute, 10);
        WriteDigits(text[17..19], (uint)time.Second, 10);
        WriteDigits(text[20..26], (uint)(value.UnixMicroseconds % 1_000_000), 10);
        WriteDigits(text[28..31], (uint)value.Counter, 16);
    }

    public static bool TryRead<T>(ReadOnlySpan<T> text, out HybridTimestamp value) where T : unmanaged, IBinaryInteger<T>
    {
        value = default;
        if (text.Length != Length) return false;
        for (int i = 0; i < Shape.Length; i++)
            if (Shape[i] != '0' && text[i] != T.CreateTruncating(Shape[i])) return false;

        bool digits = TryReadDigits(text[..4], 10, out ulong year)
            & TryReadDigits(text[5..7], 10, out ulong month)
            & TryReadDigits(text[8..10], 10, out ulong day)
            & TryReadDigits(text[11..13], 10, out ulong hour)
            & TryReadDigits(text[14..16], 10, out ulong minute)
            & TryReadDigits(text[17..19], 10, out ulong second)
            & TryReadDigits(text[20..26], 10, out ulong micro)
            & TryReadDigits(text[28..31], 16, out ulong counter);
        bool inCalendar = digits && year is >= 1970 and <= 2112 && month is >= 1 and <= 12
            && day >= 1 && day <= (ulong)DateTime.DaysInMonth((int)year, (int)month)
            && hour <= 23 && minute <= 59 && second <= 59;
        if (!inCalendar) return false;

        var whole = new DateTime((int)year, (int)month, (int)day, (int)hour, (int)minute, (int)second, DateTimeKind.Utc);
        long microseconds = ((whole - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond) + (long)micro;
        if (microseconds > HybridTimestamp.MaxUnixMicroseconds) return false;
        value = HybridTimestamp.FromParts(microseconds, (int)counter);
        return true;
    }

    /// <param name="value">The timestamp and its node.</param>
    /// <param name="text">At least <see cref="UniqueLength"/> long.</param>
    public static void WriteUnique<T>(UniqueTimestamp value, Span<T> text) where T : unmanaged, IBinaryInteger<T>
    {
        Write(value.Timestamp, text);
        text[Length] = T.CreateTruncating('@');
        WriteDigits(text.Slice(Length + 1, NodeLength), value.NodeId, 16);
    }

    public static bool TryReadUnique<T>(ReadOnlySpan<T> text, out UniqueTimestamp value) where T : unmanaged, IBinaryInteger<T>
    {
        value = default;
        bool whole = text.Length == UniqueLength && text[Length] == T.CreateTruncating('@');
        if (!whole || !TryRead(text[..Length], out HybridTimestamp time)) return false;
        if (!TryReadDigits(text[(Length + 1)..], 16, out ulong node)) return false;
        value = new UniqueTimestamp(time, node);
        return true;
    }

    /// <summary>There is one format: asking for another is an error rather than a guess.</summary>
    public static void RequireGeneralFormat(ReadOnlySpan<char> format)
    {
        if (format is not ("" or "G" or "g")) throw new FormatException($"A timestamp has one format, \"G\", not \"{format}\".");
    }

    public static FormatException NotThisForm<T>(string type, T example)
        => new($"The text is not a {type}, which looks exactly like '{example}'.");

    private static void WriteDigits<T>(Span<T> text, ulong number, uint radix) where T : unmanaged, IBinaryInteger<T>
    {
        for (int i = text.Length - 1; i >= 0; i--)
        {
            text[i] = T.CreateTruncating("0123456789abcdef"[(int)(number % radix)]);
            number /= radix;
        }
    }

    private static bool TryReadDigits<T>(ReadOnlySpan<T> text, uint radix, out ulong number) where T : unmanaged, IBinaryInteger<T>
    {
        number = 0;
        foreach (T character in text)
        {
            uint code = uint.CreateTruncating(character);
            uint digit = code - '0' <= 9 ? code - '0' : code - 'a' <= 5 ? code - 'a' + 10 : uint.MaxValue;   // Capitals: another text for one value.
            if (digit >= radix) return false;
            number = (number * radix) + digit;
        }
        return true;
    }
}
