using Tidemark.Core.State;

namespace Tidemark.Core.Rebase;

/// <summary>What became of a mutation of the timeline.</summary>
internal enum TimelineFate
{
    /// <summary>It was called, and is in the timeline.</summary>
    Called,

    /// <summary>It is behind the cursor, and was not rejected.</summary>
    Applied,

    /// <summary>It is behind the cursor, and was rejected.</summary>
    Rejected,

    /// <summary>It was dropped, and nobody knows.</summary>
    Unknown,

    /// <summary>It has another number.</summary>
    Renumbered,
}

/// <summary>Something that happened to a mutation of the timeline.</summary>
/// <param name="Mutation">Its number before.</param>
/// <param name="Fate">What happened.</param>
/// <param name="NewNumber">The number that it has now, where it has another.</param>
/// <param name="Rejection">Why it was rejected, where it was.</param>
/// <param name="Entry">The mutation, where it was called.</param>
/// <param name="Offset">The entry that called it.</param>
internal readonly record struct TimelineMove(
    long Mutation, TimelineFate Fate, long NewNumber = 0, SyncRejection? Rejection = null, TimelineEntry? Entry = null, long Offset = -1);

/// <summary>The rows of mutations that are not known to be decided.</summary>
/// <remarks>Where it begins and ends stands in the fields, which each change gives anew.</remarks>
internal sealed class Timeline(StateTable table)
{
    internal const int MostRejections = 1_000;

    /// <summary>What happened since somebody looked last. Nobody looks while a log is replayed: it is cleared then.</summary>
    internal List<TimelineMove> Moves { get; } = [];

    /// <summary>Adds a mutation at the end, which gives it its number.</summary>
    internal LocalFields Add(LocalFields fields, TimelineEntry mutation)
    {
        TimelineEntry numbered = mutation with { Id = fields.Next };
        TimelineLink link = numbered.LinkAfter(fields.Last);
        table.Add(LocalRows.Timeline(numbered.Id), LocalRows.WriteTimeline(link, numbered));
        return fields with { Next = fields.Next + 1, Last = link };
    }

    internal (TimelineLink Link, TimelineEntry Mutation)? Find(long mutation) =>
        table.TryGet(LocalRows.Timeline(mutation), out ReadOnlySpan<byte> row) ? LocalRows.ReadTimeline(row) : null;

    /// <summary>The link behind a mutation of the timeline, or before its first; null elsewhere.</summary>
    internal TimelineLink? LinkAt(LocalFields fields, long mutation) => mutation == fields.First - 1 ? fields.Before : Find(mutation)?.Link;

    /// <summary>Takes off what is decided: all up to a mutation.</summary>
    internal LocalFields Decide(LocalFields fields, long upTo, TimelineLink link, IReadOnlyList<SyncRejection> rejections)
    {
        int kept = fields.Rejections;
        for (long id = fields.First; id <= upTo; id++)
        {
            TimelineEntry mutation = Remove(id);
            SyncRejection? rejection = null;
            foreach (SyncRejection one in rejections)
            {
                if (one.Mutation == id) rejection = one;
            }

            Moves.Add(new TimelineMove(id, rejection is null ? TimelineFate.Applied : TimelineFate.Rejected, Rejection: rejection));
            if (rejection is not { } why) continue;
            byte[] key = LocalRows.Rejection(fields.Client, id);
            if (!table.TryGet(key, out _)) kept++;
            table.Set(key, LocalRows.WriteRejection(why, mutation));
        }

        while (kept > MostRejections) kept -= ForgetFirst();
        return fields with { First = upTo + 1, Before = link, Rejections = kept };
    }

    /// <summary>Gives all mutations new numbers, from one behind another mutation on.</summary>
    internal LocalFields Renumber(LocalFields fields, long after, TimelineLink link)
    {
        var mutations = new List<TimelineEntry>();
        for (long id = fields.First; id < fields.Next; id++) mutations.Add(Remove(id));
        LocalFields renumbered = fields with { First = after + 1, Next = after + 1, Before = link, Last = link };
        foreach (TimelineEntry mutation in mutations)
        {
            Moves.Add(new TimelineMove(mutation.Id, TimelineFate.Renumbered, renumbered.Next));
            renumbered = Add(renumbered, mutation);
        }

        return renumbered;
    }

    /// <summary>Drops all mutations.</summary>
    internal LocalFields Drop(LocalFields fields)
    {
        for (long id = fields.First; id < fields.Next; id++)
        {
            Remove(id);
            Moves.Add(new TimelineMove(id, TimelineFate.Unknown));
        }

        return fields with { First = fields.Next, Before = fields.Last };
    }

    /// <summary>Forgets rejections up to one.</summary>
    internal LocalFields Forget(LocalFields fields, Guid client, long mutation)
    {
        byte[] last = LocalRows.Rejection(client, mutation);
        int kept = fields.Rejections;
        while (kept > 0 && FirstRejection() is { } first && first.AsSpan().SequenceCompareTo(last) <= 0) kept -= ForgetFirst();
        return fields with { Rejections = kept };
    }

    private TimelineEntry Remove(long id)
    {
        byte[] key = LocalRows.Timeline(id);
        byte[] row = table.Find(key) ?? throw new InvalidOperationException($"Mutation {id} is not in the timeline.");
        table.Remove(key, row);
        return LocalRows.ReadTimeline(row).Mutation;
    }

    private byte[]? FirstRejection()
    {
        using RowCursor cursor = table.OpenCursor();
        return cursor.SeekAtOrAfter([LocalRows.RejectionTable]) && cursor.Key[0] == LocalRows.RejectionTable ? cursor.Key.ToArray() : null;
    }

    private int ForgetFirst()
    {
        if (FirstRejection() is not { } key) return 1;   // There is none: the count was wrong, and ends at 0.
        table.Remove(key, table.Find(key)!);
        return 1;
    }
}
