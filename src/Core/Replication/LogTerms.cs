using System.Diagnostics;

namespace Tidemark.Core.Replication;

/// <summary>Which term each entry of a log is of: a few numbers for each term, however long the log is.</summary>
/// <remarks>Two logs with an entry of the same term and offset are the same up to it, since a term has one leader and a leader one entry for each offset.</remarks>
internal sealed class LogTerms
{
    private readonly List<TermRun> _runs = [];

    /// <param name="before">The entry before the log's first: of what was trimmed, or of the state the log begins behind.</param>
    internal LogTerms(LogHead before) => Before = before;

    private LogTerms(LogTerms other)
    {
        Before = other.Before;
        _runs.AddRange(other._runs);
    }

    /// <summary>The entry before the first that is still there.</summary>
    internal LogHead Before { get; private set; }

    /// <summary>The first offset that is still there, or would be.</summary>
    internal long Start => Before.Offset + 1;

    /// <summary>The offset the next entry takes.</summary>
    internal long End => _runs.Count > 0 ? _runs[^1].To : Start;

    internal LogHead Head => _runs.Count > 0 ? new LogHead(_runs[^1].Term, _runs[^1].To - 1) : Before;

    internal IReadOnlyList<TermRun> Runs => _runs;

    internal LogTerms Copy() => new(this);

    /// <summary>Entries were appended.</summary>
    internal void Append(long term, long count)
    {
        Debug.Assert(count > 0 && term >= Head.Term, "terms never go back in a log");
        if (_runs.Count > 0 && _runs[^1].Term == term) _runs[^1] = _runs[^1] with { To = End + count };
        else _runs.Add(new TermRun(term, End, End + count));
    }

    /// <summary>Entries at an offset and above are gone.</summary>
    internal void Truncate(long end)
    {
        Debug.Assert(end >= Start && end <= End, "what was trimmed cannot be truncated");
        while (_runs.Count > 0 && _runs[^1].From >= end) _runs.RemoveAt(_runs.Count - 1);
        if (_runs.Count > 0 && _runs[^1].To > end) _runs[^1] = _runs[^1] with { To = end };
    }

    /// <summary>Entries below an offset are gone.</summary>
    internal void Trim(long start)
    {
        if (start <= Start) return;
        Before = new LogHead(TermAt(start - 1), start - 1);
        while (_runs.Count > 0 && _runs[0].To <= start) _runs.RemoveAt(0);
        if (_runs.Count > 0 && _runs[0].From < start) _runs[0] = _runs[0] with { From = start };
    }

    /// <summary>All entries are gone, and the next follows this one.</summary>
    internal void Reset(LogHead before)
    {
        _runs.Clear();
        Before = before;
    }

    /// <summary>Whether an entry is in the log, or is the one before its first.</summary>
    internal bool Contains(LogHead entry) => entry.Offset >= Before.Offset && entry.Offset < End && TermAt(entry.Offset) == entry.Term;

    /// <summary>The last entry here whose term and offset are both no higher than those of another; null where only what was trimmed is.</summary>
    internal LogHead? LastUpTo(LogHead other)
    {
        for (int i = _runs.Count - 1; i >= 0; i--)
        {
            TermRun run = _runs[i];
            if (run.Term <= other.Term && run.From <= other.Offset) return new LogHead(run.Term, Math.Min(run.To - 1, other.Offset));
        }

        return Before.Term <= other.Term && Before.Offset <= other.Offset ? Before : null;
    }

    /// <summary>The terms of a stretch of entries.</summary>
    internal TermRun[] Slice(long from, long to)
    {
        var runs = new List<TermRun>();
        foreach (TermRun run in _runs)
        {
            if (run.To > from && run.From < to) runs.Add(new TermRun(run.Term, Math.Max(run.From, from), Math.Min(run.To, to)));
        }

        return [.. runs];
    }

    internal long TermAt(long offset)
    {
        if (offset == Before.Offset) return Before.Term;
        int low = 0, high = _runs.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) / 2;
            TermRun run = _runs[middle];
            if (offset < run.From) high = middle - 1;
            else if (offset >= run.To) low = middle + 1;
            else return run.Term;
        }

        throw new ArgumentOutOfRangeException(nameof(offset), offset, $"There are entries from {Start} to {End}.");
    }

    /// <summary>Adds all that decides.</summary>
    internal void AddDeciding(List<long> numbers)
    {
        numbers.AddRange([Before.Term, Before.Offset, _runs.Count]);
        foreach (TermRun run in _runs) numbers.AddRange([run.Term, run.To]);
    }

    public override string ToString() => $"{(Before == LogHead.None ? "" : $"({Before}) ")}[{string.Join(' ', _runs)}]";
}
