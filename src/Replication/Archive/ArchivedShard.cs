using Tidemark.Storage.Archive;

namespace Tidemark.Replication.Archive;

/// <summary>Entries of a shard in an archive, or the changes they made.</summary>
internal readonly record struct ArchivedEntries(long First, long Last, ArchiveObject Object);

/// <summary>A state of a shard in an archive.</summary>
/// <param name="Next">The first entry that is not in it.</param>
/// <param name="Time">The time of the last one that is.</param>
/// <param name="Object">The object.</param>
internal readonly record struct ArchivedState(long Next, HybridTimestamp Time, ArchiveObject Object);

/// <summary>What an archive has of a shard, by the names of its objects.</summary>
internal sealed class ArchivedShard
{
    private const long LeastStateBytes = 1024 * 1024;

    private readonly List<ArchivedEntries> _entries = [];   // By their first entry.
    private readonly List<ArchivedEntries> _changes = [];   // The same.
    private readonly List<ArchivedState> _states = [];      // By what they hold.

    internal ArchivedShard(IEnumerable<ArchiveObject> objects)
    {
        foreach (ArchiveObject found in objects) Add(found);
    }

    /// <summary>The first entry that is not there.</summary>
    internal long Next => Math.Max(_entries.Select(part => part.Last + 1).DefaultIfEmpty(0).Max(), _states.Select(state => state.Next).LastOrDefault());

    /// <summary>Whether it is time for a state: to read the entries since the last takes about as long as to read the state.</summary>
    internal bool IsStateDue
    {
        get
        {
            ArchivedState newest = _states.LastOrDefault();
            return _entries.Where(part => part.First >= newest.Next).Sum(part => part.Object.Bytes) >= Math.Max(newest.Object.Bytes, LeastStateBytes);
        }
    }

    /// <summary>The earliest moment from which on any can be had; null where there is none.</summary>
    internal HybridTimestamp? Earliest
    {
        get
        {
            HybridTimestamp? earliest = null;
            long needed = Next;
            foreach (ArchivedState state in Enumerable.Reverse(_states))
            {
                if (EndFrom(state.Next) < needed) return earliest;
                (earliest, needed) = (state.Time, state.Next);
            }

            return EndFrom(0) >= needed ? HybridTimestamp.MinValue : earliest;
        }
    }

    /// <summary>An object is there.</summary>
    internal void Add(in ArchiveObject found)
    {
        if (ArchiveNames.TryParseEntries(found.Name, out long first, out long last))
        {
            Insert(_entries, new ArchivedEntries(first, last, found));
        }
        else if (ArchiveNames.TryParseChanges(found.Name, out first, out last))
        {
            Insert(_changes, new ArchivedEntries(first, last, found));
        }
        else if (ArchiveNames.TryParseState(found.Name, out long next, out HybridTimestamp time))
        {
            _states.Add(new ArchivedState(next, time, found));
            _states.Sort(static (a, b) => a.Next.CompareTo(b.Next));
        }
    }

    /// <summary>An object is there no more.</summary>
    internal void Remove(ArchiveObject gone)
    {
        _states.RemoveAll(state => state.Object == gone);
        _entries.RemoveAll(part => part.Object == gone);
        _changes.RemoveAll(part => part.Object == gone);
    }

    /// <summary>The changes, by their first entry, as they are known now.</summary>
    internal ArchivedEntries[] Changes => [.. _changes];

    /// <summary>The newest state that is no newer than a moment; null where all begins with nothing.</summary>
    internal ArchivedState? StateAt(HybridTimestamp moment) => _states.Where(state => state.Time <= moment).Select(static state => (ArchivedState?)state).LastOrDefault();

    /// <summary>Whether there is something to begin with that is no newer than a moment.</summary>
    internal bool GoesBackTo(HybridTimestamp moment) => StateAt(moment) is not null || EndFrom(0) > 0;

    /// <summary>The entries from one on, as far as there is no hole. The first and any later part may begin earlier than asked for.</summary>
    internal IEnumerable<ArchivedEntries> From(long next)
    {
        foreach (ArchivedEntries part in _entries)
        {
            if (part.Last < next) continue;
            if (part.First > next) yield break;
            yield return part;
            next = part.Last + 1;
        }
    }

    /// <summary>What nobody needs who goes back no further than a moment: all before the newest state that is as old.</summary>
    internal List<ArchiveObject> UnneededSince(HybridTimestamp moment) => StateAt(moment) is not { } first
        ? []
        : [.. _states.Where(state => state.Next < first.Next).Select(state => state.Object), .. _entries.Concat(_changes).Where(part => part.Last < first.Next).Select(part => part.Object)];

    private static void Insert(List<ArchivedEntries> parts, in ArchivedEntries part)
    {
        parts.Add(part);
        parts.Sort(static (a, b) => (a.First, a.Last).CompareTo((b.First, b.Last)));
    }

    private long EndFrom(long next) => From(next).Select(part => part.Last + 1).Append(next).Max();
}
