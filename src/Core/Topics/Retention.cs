using Tidemark.Core.Diagnostics;

namespace Tidemark.Core.Topics;

/// <summary>Decides which messages go: whole parts of the log, the oldest first, that are too old or too much, and of which nothing is held.</summary>
internal static class Retention
{
    /// <summary>How far the log can go.</summary>
    /// <returns>The first message and the first entry that are kept; null where all is kept.</returns>
    internal static (long Before, long Entry)? Decide(IMessageLog log, TopicSettings settings, long start, long end, long released, DateTimeOffset now)
    {
        (IReadOnlyList<LogPart> parts, long open, long openBytes) = log.Parts;
        int count = Math.Max(TooOld(parts, settings, now), TooMuch(parts, settings, openBytes));
        for (; count > 0; count--)
        {
            long entry = count < parts.Count ? parts[count].FirstEntry : open;
            long before = log.FirstMessageAt(entry) ?? end;
            if (before <= start) return null;
            if (!settings.IsHeld || before <= released || Planted.Is(PlantedBug.TrimBeyondConsumer)) return (before, entry);
        }

        return null;
    }

    private static int TooOld(IReadOnlyList<LogPart> parts, TopicSettings settings, DateTimeOffset now)
    {
        if (settings.RetentionMilliseconds is not { } kept) return 0;
        var age = TimeSpan.FromMilliseconds(kept);
        int count = 0;
        while (count < parts.Count && now - parts[count].LastTimestamp.Physical > age) count++;
        return count;
    }

    private static int TooMuch(IReadOnlyList<LogPart> parts, TopicSettings settings, long openBytes)
    {
        if (settings.RetentionBytes is not { } kept) return 0;
        long rest = openBytes;
        int count = parts.Count;
        while (count > 0 && rest < kept) rest += parts[--count].Bytes;
        return count;
    }
}
