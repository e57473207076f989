using Tidemark.Core.MessagePack;

namespace Tidemark.Storage.Catalog;

/// <summary>What stands in several places of a catalog.</summary>
internal static class CatalogParts
{
    internal static void Write(ref MessagePackWriter writer, TimeSpan time) => writer.Write(time.Ticks / TimeSpan.TicksPerMillisecond);

    internal static TimeSpan ReadMilliseconds(ref MessagePackReader reader)
    {
        long at = reader.Consumed;
        ulong milliseconds = reader.ReadUInt64();
        const ulong Longest = long.MaxValue / TimeSpan.TicksPerMillisecond;
        if (milliseconds > Longest) throw new MalformedDataException(at, "no time span is that long");
        return TimeSpan.FromTicks((long)milliseconds * TimeSpan.TicksPerMillisecond);
    }

    internal static string ReadText(ref MessagePackReader reader)
    {
        long at = reader.Consumed;
        return reader.ReadString() ?? throw new MalformedDataException(at, "expected text, found nil");
    }

    internal static void RequireFields(ref MessagePackReader reader, int count, string what)
    {
        long at = reader.Consumed;
        int found = reader.ReadArrayHeader();
        if (found != count) throw new MalformedDataException(at, $"expected {count} fields of a {what}, found {found}");
    }
}
