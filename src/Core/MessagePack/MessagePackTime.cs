using System.Buffers.Binary;

namespace Tidemark.Core.MessagePack;

/// <summary>The standard's extension -1: seconds and nanoseconds since 1970 in 4, 8 or 12 bytes.</summary>
internal static class MessagePackTime
{
    public const int MaxLength = 12;

    private const long NanosecondsPerTick = 100;
    private const long NanosecondsPerSecond = 1_000_000_000;
    private const int SecondsBits = 34;   // Of the 8-byte form; the 30 above hold the nanoseconds.

    private static readonly long _minSeconds = (DateTime.MinValue - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerSecond;
    private static readonly long _maxSeconds = (DateTime.MaxValue - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerSecond;

    /// <summary>Writes the shortest form.</summary>
    /// <returns>Its length.</returns>
    public static int Write(DateTime utc, Span<byte> destination)
    {
        (long seconds, long ticks) = Math.DivRem(utc.Ticks - DateTime.UnixEpoch.Ticks, TimeSpan.TicksPerSecond);
        if (ticks < 0) (seconds, ticks) = (seconds - 1, ticks + TimeSpan.TicksPerSecond);
        uint nanoseconds = (uint)(ticks * NanosecondsPerTick);
        int length = ShortestLength(seconds, nanoseconds);
        switch (length)
        {
            case 4:
                BinaryPrimitives.WriteUInt32BigEndian(destination, (uint)seconds);
                break;
            case 8:
                BinaryPrimitives.WriteUInt64BigEndian(destination, ((ulong)nanoseconds << SecondsBits) | (ulong)seconds);
                break;
            default:
                BinaryPrimitives.WriteUInt32BigEndian(destination, nanoseconds);
                BinaryPrimitives.WriteInt64BigEndian(destination[4..], seconds);
                break;
        }

        return length;
    }

    /// <summary>Reads any of the three forms.</summary>
    /// <returns>False where the bytes are no time, one a <see cref="DateTime"/> cannot hold exactly, or not the shortest form though that was asked for.</returns>
    public static bool TryRead(ReadOnlySpan<byte> source, bool requireShortest, out DateTime utc)
    {
        utc = default;
        long seconds, nanoseconds;
        switch (source.Length)
        {
            case 4:
                (seconds, nanoseconds) = (BinaryPrimitives.ReadUInt32BigEndian(source), 0);
                break;
            case 8:
                ulong word = BinaryPrimitives.ReadUInt64BigEndian(source);
                (seconds, nanoseconds) = ((long)(word & ((1ul << SecondsBits) - 1)), (long)(word >> SecondsBits));
                break;
            case MaxLength:
                (seconds, nanoseconds) = (BinaryPrimitives.ReadInt64BigEndian(source[4..]), BinaryPrimitives.ReadUInt32BigEndian(source));
                break;
            default:
                return false;
        }

        if (seconds < _minSeconds || seconds > _maxSeconds) return false;
        if (nanoseconds >= NanosecondsPerSecond || nanoseconds % NanosecondsPerTick != 0) return false;
        if (requireShortest && ShortestLength(seconds, (uint)nanoseconds) != source.Length) return false;
        utc = DateTime.UnixEpoch.AddTicks((seconds * TimeSpan.TicksPerSecond) + (nanoseconds / NanosecondsPerTick));
        return true;
    }

    private static int ShortestLength(long seconds, uint nanoseconds)
    {
        if (seconds < 0 || seconds >> SecondsBits != 0) return MaxLength;
        return nanoseconds == 0 && seconds <= uint.MaxValue ? 4 : 8;
    }
}
