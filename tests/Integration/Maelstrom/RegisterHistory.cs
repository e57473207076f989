namespace Tidemark.Integration;

/// <summary>What was asked of one key, and what came of it. A write and a compare-and-set may or may not have happened until they are known to have.</summary>
/// <param name="Invoked">When it was asked, in the order of all events.</param>
/// <param name="Answered">When that was answered; <see cref="Never"/> where nobody knows what came of it.</param>
/// <param name="Apply">Given the value before (null for none), says whether it could have come to what it came to there, and the value behind it.</param>
/// <param name="Text">For people.</param>
internal sealed record RegisterOperation(long Invoked, long Answered, Func<int?, (bool Fits, int? Value)> Apply, string Text)
{
    internal const long Never = long.MaxValue;

    internal static RegisterOperation Read(long invoked, long answered, int? seen) =>
        new(invoked, answered, value => (value == seen, value), $"read {seen}");

    internal static RegisterOperation Write(long invoked, long answered, int value) => new(invoked, answered, _ => (true, value), $"write {value}");

    internal static RegisterOperation CompareAndSet(long invoked, long answered, int from, int to, bool creates) =>
        new(invoked, answered, value => (value == from || (value is null && creates), to), $"cas {from} {to}{(creates ? " or create" : "")}");

    /// <summary>A compare-and-set that found another value.</summary>
    internal static RegisterOperation Mismatch(long invoked, long answered, int from) =>
        new(invoked, answered, value => (value is not null && value != from, value), $"cas {from} refused");
}

/// <summary>Checks the history of one register for being linearizable: every operation at one moment between its question and its answer.</summary>
/// <remarks>
/// It goes through the events in order and keeps all places where things may stand: the value, and which of the operations that are open have happened. Where one is answered, it has
/// happened. An operation that is never answered stays open. Of two places that differ only in which of those were used up, the one with fewer stands for both.
/// </remarks>
internal static class RegisterHistory
{
    private const int MostOpen = 64;

    /// <returns>Null where it is linearizable; else the operation that fits nowhere.</returns>
    internal static RegisterOperation? FindMisfit(IEnumerable<RegisterOperation> history)
    {
        (long At, bool IsAnswer, RegisterOperation Operation)[] events =
        [
            .. history.SelectMany(operation => new[] { (At: operation.Invoked, IsAnswer: false, operation), (At: operation.Answered, IsAnswer: true, operation) })
                .Where(each => each.At != RegisterOperation.Never).OrderBy(each => each.At),
        ];
        var open = new RegisterOperation?[MostOpen];
        HashSet<(int? Value, ulong Done)> places = [(null, 0)];
        foreach ((_, bool isAnswer, RegisterOperation operation) in events)
        {
            if (!isAnswer)
            {
                int free = Array.IndexOf(open, null);
                Assert.True(free >= 0, $"more than {MostOpen} operations on one key are open at once");
                open[free] = operation;
                continue;
            }

            int slot = Array.FindIndex(open, each => ReferenceEquals(each, operation));
            places = Fewest(After(places, open, 1UL << slot), open);
            open[slot] = null;
            if (places.Count == 0) return operation;
        }

        return null;
    }

    /// <summary>Where things may stand once an operation has happened: it does not count as open any more.</summary>
    private static HashSet<(int? Value, ulong Done)> After(HashSet<(int? Value, ulong Done)> places, RegisterOperation?[] open, ulong wanted)
    {
        var found = new HashSet<(int? Value, ulong Done)>();
        var seen = new HashSet<(int? Value, ulong Done)>(places);
        var next = new Stack<(int? Value, ulong Done)>(places);
        while (next.TryPop(out (int? Value, ulong Done) place))
        {
            if ((place.Done & wanted) != 0)
            {
                found.Add((place.Value, place.Done & ~wanted));
                continue;
            }

            for (int slot = 0; slot < open.Length; slot++)
            {
                if (open[slot] is not { } operation || (place.Done & (1UL << slot)) != 0) continue;
                (bool fits, int? value) = operation.Apply(place.Value);
                if (fits && seen.Add((value, place.Done | (1UL << slot)))) next.Push((value, place.Done | (1UL << slot)));
            }
        }

        return found;
    }

    private static HashSet<(int? Value, ulong Done)> Fewest(HashSet<(int? Value, ulong Done)> places, RegisterOperation?[] open)
    {
        ulong unanswered = 0;
        for (int slot = 0; slot < open.Length; slot++) unanswered |= open[slot] is { Answered: RegisterOperation.Never } ? 1UL << slot : 0;
        var kept = new HashSet<(int? Value, ulong Done)>();
        foreach (var group in places.GroupBy(place => (place.Value, place.Done & ~unanswered)))
        {
            var least = new List<ulong>();
            foreach (ulong done in group.Select(place => place.Done).OrderBy(done => ulong.PopCount(done & unanswered)))
            {
                if (least.Exists(other => (other & ~done) == 0)) continue;
                least.Add(done);
                kept.Add((group.Key.Value, done));
            }
        }

        return kept;
    }
}
