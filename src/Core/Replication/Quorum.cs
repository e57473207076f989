namespace Tidemark.Core.Replication;

/// <summary>Whose word is enough: a majority of the ensemble, and while it changes a majority of the new one too.</summary>
internal sealed class Quorum
{
    /// <param name="ensemble">The nodes, each once.</param>
    /// <param name="next">The nodes after the change that is under way, or null.</param>
    internal Quorum(IReadOnlyList<int> ensemble, IReadOnlyList<int>? next = null)
    {
        if (ensemble.Count == 0 || next is { Count: 0 }) throw new ArgumentException("An ensemble has a node.", nameof(ensemble));
        Ensemble = ensemble;
        Next = next;
        Members = next is null ? ensemble : [.. ensemble.Union(next)];
    }

    internal IReadOnlyList<int> Ensemble { get; }

    internal IReadOnlyList<int>? Next { get; }

    /// <summary>All nodes of both.</summary>
    internal IReadOnlyList<int> Members { get; }

    /// <summary>The highest number that a majority has reached, given the number each node has reached.</summary>
    internal long Agreed(Func<int, long> reached)
    {
        long agreed = Agreed(Ensemble, reached);
        return Next is null ? agreed : Math.Min(agreed, Agreed(Next, reached));
    }

    /// <summary>Whether those for whom it holds are enough.</summary>
    internal bool Holds(Func<int, bool> holds) => Agreed(node => holds(node) ? 1 : 0) == 1;

    /// <summary>Adds all that decides.</summary>
    internal void AddDeciding(List<long> numbers)
    {
        numbers.Add(Ensemble.Count);
        foreach (int node in Ensemble) numbers.Add(node);
        numbers.Add(Next?.Count ?? -1);
        foreach (int node in Next ?? []) numbers.Add(node);
    }

    public override string ToString() => Next is null ? $"{{{string.Join(',', Ensemble)}}}" : $"{{{string.Join(',', Ensemble)}}}>{{{string.Join(',', Next)}}}";

    private static long Agreed(IReadOnlyList<int> nodes, Func<int, long> reached)
    {
        Span<long> numbers = nodes.Count <= 16 ? stackalloc long[nodes.Count] : new long[nodes.Count];
        for (int i = 0; i < nodes.Count; i++) numbers[i] = reached(nodes[i]);
        numbers.Sort();
        return numbers[(nodes.Count - 1) / 2];   // So many and itself are a majority: those above it, all but the lower half.
    }
}
