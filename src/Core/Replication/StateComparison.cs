namespace Tidemark.Core.Replication;

/// <summary>What a comparison of states has come to.</summary>
internal enum ComparisonResult : byte
{
    /// <summary>Too few have said what theirs is.</summary>
    Open,

    /// <summary>A majority has one state, with that hash.</summary>
    Agreed,

    /// <summary>All have said, and no majority has one state.</summary>
    Divided,
}

/// <summary>The hashes that replicas have of their states at marks, which are entries: behind one and the same, all states are equal or somebody's is wrong.</summary>
internal sealed class StateComparison
{
    private const int KeptMarks = 4;   // Who is slower is compared at a later one.

    private readonly SortedDictionary<long, SortedDictionary<int, StateHash>> _marks = [];

    /// <summary>Takes note of what a node's state was behind a mark.</summary>
    internal void Take(int node, long mark, StateHash hash)
    {
        if (!_marks.TryGetValue(mark, out SortedDictionary<int, StateHash>? hashes))
        {
            _marks[mark] = hashes = [];
            if (_marks.Count > KeptMarks) _marks.Remove(_marks.First().Key);
        }

        hashes[node] = hash;
    }

    /// <summary>What a node has said is of no meaning any more.</summary>
    internal void Forget(int node)
    {
        foreach (SortedDictionary<int, StateHash> hashes in _marks.Values) hashes.Remove(node);
    }

    /// <summary>Whether a node has said what its state was behind the newest mark there is.</summary>
    internal bool HasNewest(int node) => _marks.Count > 0 && _marks.Last().Value.ContainsKey(node);

    /// <summary>What is known about a mark.</summary>
    /// <param name="mark">Its offset.</param>
    /// <param name="quorum">Whose word is enough.</param>
    /// <param name="counts">Whether a node's word counts.</param>
    internal (ComparisonResult Result, StateHash Hash) Judge(long mark, Quorum quorum, Func<int, bool> counts)
    {
        if (!_marks.TryGetValue(mark, out SortedDictionary<int, StateHash>? hashes)) return default;
        foreach (StateHash hash in hashes.Values)
        {
            if (quorum.Holds(node => counts(node) && hashes.TryGetValue(node, out StateHash own) && own == hash)) return (ComparisonResult.Agreed, hash);
        }

        return quorum.Members.All(hashes.ContainsKey) ? (ComparisonResult.Divided, default) : default;
    }

    /// <summary>The newest mark behind which a majority has one state; null for none.</summary>
    /// <inheritdoc cref="Judge" path="/param"/>
    internal (long Mark, StateHash Hash)? NewestAgreed(Quorum quorum, Func<int, bool> counts)
    {
        foreach (long mark in _marks.Keys.Reverse())
        {
            if (Judge(mark, quorum, counts) is (ComparisonResult.Agreed, var hash)) return (mark, hash);
        }

        return null;
    }

    /// <summary>Those who have said that theirs was another.</summary>
    internal IEnumerable<int> Others(long mark, StateHash hash) => _marks[mark].Where(pair => pair.Value != hash).Select(pair => pair.Key);

    internal StateComparison Copy()
    {
        var copy = new StateComparison();
        foreach ((long mark, SortedDictionary<int, StateHash> hashes) in _marks) copy._marks[mark] = new SortedDictionary<int, StateHash>(hashes);
        return copy;
    }

    /// <summary>Adds all that decides.</summary>
    internal void AddDeciding(List<long> numbers)
    {
        numbers.Add(_marks.Count);
        foreach ((long mark, SortedDictionary<int, StateHash> hashes) in _marks)
        {
            numbers.AddRange([mark, hashes.Count]);
            foreach ((int node, StateHash hash) in hashes) numbers.AddRange([node, (long)hash.Low, (long)hash.High, hash.Rows]);
        }
    }

    public override string ToString() => string.Join(' ', _marks.Select(mark => $"{mark.Key}[{string.Join(',', mark.Value)}]"));
}
