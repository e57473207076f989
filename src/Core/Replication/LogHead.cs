namespace Tidemark.Core.Replication;

/// <summary>The last entry of a log, or of a part of it. Of two logs the one with the higher head has what was ever committed, if either has.</summary>
/// <param name="Term">The entry's term; 0 where there is none.</param>
/// <param name="Offset">Its offset; -1 where there is none.</param>
internal readonly record struct LogHead(long Term, long Offset) : IComparable<LogHead>
{
    /// <summary>Of a log without entries.</summary>
    internal static LogHead None => new(0, -1);

    public int CompareTo(LogHead other) => Term != other.Term ? Term.CompareTo(other.Term) : Offset.CompareTo(other.Offset);

    public static bool operator <(LogHead left, LogHead right) => left.CompareTo(right) < 0;

    public static bool operator >(LogHead left, LogHead right) => left.CompareTo(right) > 0;

    public static bool operator <=(LogHead left, LogHead right) => left.CompareTo(right) <= 0;

    public static bool operator >=(LogHead left, LogHead right) => left.CompareTo(right) >= 0;

    public override string ToString() => FormattableString.Invariant($"{Term}:{Offset}");
}

/// <summary>Entries of one term that follow each other.</summary>
/// <param name="Term">Their term.</param>
/// <param name="From">The first offset.</param>
/// <param name="To">The offset after the last.</param>
internal readonly record struct TermRun(long Term, long From, long To)
{
    public override string ToString() => FormattableString.Invariant($"{Term}:{From}..{To}");
}
