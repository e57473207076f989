namespace Tidemark.Tests.Replication;

/// <summary>Outcomes by what they are of. Not thread-safe, and faster than a dictionary.</summary>
internal sealed class OutcomeTable
{
    private long[] _keys = new long[1 << 12];
    private ExploredOutcome[] _outcomes = new ExploredOutcome[1 << 12];
    private int _count;

    internal ExploredOutcome? Find(long key) => _outcomes[PlaceOf(_keys, key)];

    internal void Add(long key, ExploredOutcome outcome)
    {
        if (++_count > _keys.Length / 2)
        {
            (long[] keys, ExploredOutcome[] outcomes) = (new long[_keys.Length * 2], new ExploredOutcome[_keys.Length * 2]);
            for (int i = 0; i < _keys.Length; i++)
            {
                if (_outcomes[i] is null) continue;
                int to = PlaceOf(keys, _keys[i]);
                (keys[to], outcomes[to]) = (_keys[i], _outcomes[i]);
            }

            (_keys, _outcomes) = (keys, outcomes);
        }

        int place = PlaceOf(_keys, key);
        (_keys[place], _outcomes[place]) = (key, outcome);
    }

    /// <summary>No key is 0.</summary>
    private static int PlaceOf(long[] keys, long key)
    {
        int at = (int)((ulong)key * 0x9E3779B97F4A7C15 >> 32) & (keys.Length - 1);
        while (keys[at] != 0 && keys[at] != key) at = (at + 1) & (keys.Length - 1);
        return at;
    }
}
