using Tidemark.Core.KeyValue;

namespace Tidemark.Replication.KeyValue;

/// <summary>Records of several shards in one order.</summary>
/// <remarks>Not thread-safe; owns its sources. A step costs a comparison for each shard.</remarks>
internal sealed class MergedScan : IRecordSource
{
    private readonly IRecordSource[] _sources;
    private readonly bool[] _isThere;
    private readonly bool _isReverse;
    private int _at = -1;

    private MergedScan(IRecordSource[] sources, bool isReverse)
    {
        _sources = sources;
        _isThere = new bool[sources.Length];
        _isReverse = isReverse;
    }

    public ReadOnlySpan<byte> SortKey => _sources[_at].SortKey;

    public ReadOnlySpan<byte> EncodedKey => _sources[_at].EncodedKey;

    public ReadOnlyMemory<byte> Row => _sources[_at].Row;

    /// <summary>One source as it is, several merged.</summary>
    internal static IRecordSource Of(IRecordSource[] sources, bool isReverse) => sources.Length == 1 ? sources[0] : new MergedScan(sources, isReverse);

    public bool MoveNext()
    {
        if (_at < 0)
        {
            for (int i = 0; i < _sources.Length; i++) _isThere[i] = _sources[i].MoveNext();
        }
        else
        {
            _isThere[_at] = _sources[_at].MoveNext();
        }

        int nearest = -1;
        for (int i = 0; i < _sources.Length; i++)
        {
            if (!_isThere[i]) continue;
            if (nearest < 0 || IsBefore(_sources[i], _sources[nearest])) nearest = i;
        }

        _at = Math.Max(nearest, 0);
        return nearest >= 0;
    }

    public void Dispose()
    {
        foreach (IRecordSource source in _sources) source.Dispose();
    }

    private bool IsBefore(IRecordSource left, IRecordSource right)
    {
        int order = left.SortKey.SequenceCompareTo(right.SortKey);
        return _isReverse ? order > 0 : order < 0;
    }
}
