namespace Tidemark.Replication.Nodes;

/// <summary>The ids of the last commands that one node sent here, so that a message the transport doubled is carried out once.</summary>
/// <remarks>
/// Ids rise, across starts too. One that is lower than all that are remembered may have been here: it is not carried out, and who sent it does not know what has become of it. A copy that comes after this
/// node was started again is not recognized; only a numbered client's command is safe from that. Safe for concurrent calls.
/// </remarks>
internal sealed class SeenRequests
{
    internal const int Most = 4096;

    private readonly Lock _gate = new();
    private readonly HashSet<long> _ids = [];
    private readonly Queue<long> _order = new();
    private long _lowest = long.MinValue;

    /// <summary>Notes an id; false where it was here, or may have been.</summary>
    internal bool TryAdd(long id)
    {
        lock (_gate)
        {
            if (id <= _lowest || !_ids.Add(id)) return false;
            _order.Enqueue(id);
            if (_order.Count <= Most) return true;
            long gone = _order.Dequeue();
            _ids.Remove(gone);
            _lowest = Math.Max(_lowest, gone);
            return true;
        }
    }
}
