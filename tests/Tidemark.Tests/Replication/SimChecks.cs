using Tidemark.Core.Replication;

namespace Tidemark.Tests.Replication;

/// <summary>What must hold at every step of every schedule.</summary>
internal sealed class SimChecks
{
    private readonly Dictionary<(long Term, long Offset), long> _entries = [];   // One value for one place, everywhere and for ever.
    private readonly List<SimEntry> _committed = [];
    private readonly Dictionary<long, int> _leaders = [];
    private readonly Dictionary<int, long> _terms = [];
    private readonly HashSet<long> _proposed = [];

    /// <summary>The highest offset that was answered to somebody; -1 for none.</summary>
    internal long Acknowledged { get; private set; } = -1;

    internal int ReadsAnswered { get; set; }

    /// <summary>How many states were taken over from a leader.</summary>
    internal int Replaced { get; set; }

    internal int Terms => _leaders.Count;

    internal long TermOf(int node) => _terms.GetValueOrDefault(node);

    /// <summary>A node has a term on its disk.</summary>
    internal void Keeps(int node, long term)
    {
        Assert.True(term >= TermOf(node), "a term went back");
        _terms[node] = term;
    }

    internal void Proposed(long value, int node, long offset, long term)
    {
        Assert.True(_proposed.Add(value));
        Assert.True(_leaders[term] == node, $"node {node} takes a proposal in term {term} at {offset}, which {_leaders[term]} leads");
    }

    internal void Leads(int node, long term)
    {
        Assert.True(_leaders.TryAdd(term, node), $"both {_leaders.GetValueOrDefault(term)} and {node} lead term {term}");
    }

    internal void Committed(int node, long offset, SimEntry entry)
    {
        if (offset < _committed.Count) Assert.True(_committed[(int)offset] == entry, $"node {node} has {entry} committed at {offset}, and another has {_committed[(int)offset]}");
        else
        {
            Assert.Equal(_committed.Count, offset);
            _committed.Add(entry);
        }
    }

    internal void Answered(long from, long to, IReadOnlyList<SimEntry> log)
    {
        for (long offset = from; offset < to; offset++)
        {
            Assert.Equal(_committed[(int)offset], log[(int)offset]);
            Acknowledged = Math.Max(Acknowledged, offset);
        }
    }

    /// <summary>Whoever serves has all that was ever committed, up to its term: it may not know yet that there is a higher one.</summary>
    internal void Serves(int node, long term, IReadOnlyList<SimEntry> log)
    {
        for (int offset = 0; offset < _committed.Count; offset++)
            Assert.True(_committed[offset].Term > term || (offset < log.Count && log[offset] == _committed[offset]), $"node {node} serves term {term} without {_committed[offset]}, committed at {offset}");
    }

    internal void Look(SimNode node, IReadOnlyList<SimEntry> log)
    {
        ReplicaCore core = node.Core!;
        Assert.Equal(core.Log.End, log.Count);
        Assert.True(core.Applied <= core.Durable, $"the state of {node.Node} is ahead of its log");
        Assert.True(core.Term >= TermOf(node.Node), "a term went back");
        for (int offset = 0; offset < log.Count; offset++)
        {
            if (offset >= core.Log.Start) Assert.Equal(core.Log.TermAt(offset), log[offset].Term);
            if (!_entries.TryAdd((log[offset].Term, offset), log[offset].Value))
                Assert.True(_entries[(log[offset].Term, offset)] == log[offset].Value, $"node {node.Node} has another entry at {log[offset].Term}:{offset}");
        }
    }
}
