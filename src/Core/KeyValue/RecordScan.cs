using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>Walks over the records of one shard whose encoded keys lie in a range, as they were at one moment.</summary>
/// <remarks>Not thread-safe; owns its reader.</remarks>
internal sealed class RecordScan : IRecordSource
{
    private readonly StateReader _reader;
    private readonly RowCursor _cursor;
    private readonly byte[] _start;
    private readonly byte[] _end;
    private readonly bool _isReverse;
    private bool _isStarted;

    internal RecordScan(StateReader reader, EncodedKeyRange range, bool isReverse)
    {
        _reader = reader;
        _cursor = reader.OpenCursor();
        _start = RowKeys.Record(range.Start.Span);
        _end = range.End.IsEmpty ? [(byte)RowTable.Record + 1] : RowKeys.Record(range.End.Span);
        _isReverse = isReverse;
    }

    public ReadOnlySpan<byte> SortKey => _cursor.Key[1..];

    public ReadOnlySpan<byte> EncodedKey => _cursor.Key[1..];

    public ReadOnlyMemory<byte> Row => _cursor.OwnedValue;

    public bool MoveNext()
    {
        bool found = _isStarted ? (_isReverse ? _cursor.MovePrevious() : _cursor.MoveNext())
            : _isReverse ? _cursor.SeekBefore(_end) : _cursor.SeekAtOrAfter(_start);
        _isStarted = true;
        return found && (_isReverse ? _cursor.Key.SequenceCompareTo(_start) >= 0 : _cursor.Key.SequenceCompareTo(_end) < 0);
    }

    public void Dispose()
    {
        _cursor.Dispose();
        _reader.Dispose();
    }
}

/// <summary>Walks over the records of one shard in the order of an index.</summary>
/// <remarks>Not thread-safe; owns its reader. Each record costs a lookup besides the step.</remarks>
internal sealed class IndexScan : IRecordSource
{
    private readonly StateReader _reader;
    private readonly RowCursor _cursor;
    private readonly byte[] _start;
    private readonly byte[] _end;
    private readonly int _nameBytes;
    private readonly bool _isReverse;
    private bool _isStarted;
    private int _encodedAt;

    /// <param name="reader">The state to walk in.</param>
    /// <param name="index">The index's name.</param>
    /// <param name="start">The first index key.</param>
    /// <param name="end">The index key after the last; empty for no bound.</param>
    /// <param name="isReverse">Whether to begin at the end.</param>
    /// <param name="after">Where an earlier walk ended, as its <see cref="SortKey"/>: this one goes on behind it. Empty for none.</param>
    internal IndexScan(StateReader reader, ReadOnlySpan<byte> index, ReadOnlySpan<byte> start, ReadOnlySpan<byte> end, bool isReverse, ReadOnlySpan<byte> after = default)
    {
        _reader = reader;
        _cursor = reader.OpenCursor();
        byte[] name = RowKeys.IndexStart(index);
        _nameBytes = name.Length;
        _start = start.IsEmpty ? name : RowKeys.IndexStart(index, start);
        _end = end.IsEmpty ? EncodedKeyRange.After(name).ToArray() : RowKeys.IndexStart(index, end);
        _isReverse = isReverse;
        if (after.IsEmpty) return;
        byte[] left = isReverse ? [.. name, .. after] : [.. name, .. after, 0];
        if (isReverse && left.AsSpan().SequenceCompareTo(_end) < 0) _end = left;
        else if (!isReverse && left.AsSpan().SequenceCompareTo(_start) > 0) _start = left;
    }

    /// <summary>The index key in its sorting form, then the record's encoded key.</summary>
    public ReadOnlySpan<byte> SortKey => _cursor.Key[_nameBytes..];

    public ReadOnlySpan<byte> EncodedKey => _cursor.Key[_encodedAt..];

    /// <summary>The index key the record was found under.</summary>
    public byte[] IndexKey { get; private set; } = [];

    public ReadOnlyMemory<byte> Row =>
        _reader.TryGet(RowKeys.Record(EncodedKey), out ReadOnlyMemory<byte> row) ? row : throw new MalformedDataException(0, "an index entry stands without its record");

    public bool MoveNext()
    {
        bool found = _isStarted ? (_isReverse ? _cursor.MovePrevious() : _cursor.MoveNext())
            : _isReverse ? _cursor.SeekBefore(_end) : _cursor.SeekAtOrAfter(_start);
        _isStarted = true;
        if (!found || (_isReverse ? _cursor.Key.SequenceCompareTo(_start) < 0 : _cursor.Key.SequenceCompareTo(_end) >= 0)) return false;
        RowKeys.ReadIndex(_cursor.Key, out byte[] indexKey, out ReadOnlySpan<byte> encoded);
        IndexKey = indexKey;
        _encodedAt = _cursor.Key.Length - encoded.Length;
        return true;
    }

    public void Dispose()
    {
        _cursor.Dispose();
        _reader.Dispose();
    }
}

/// <summary>Records in an order, one after another.</summary>
internal interface IRecordSource : IDisposable
{
    /// <summary>What the order goes by. Valid until the next step.</summary>
    ReadOnlySpan<byte> SortKey { get; }

    /// <summary>The record's encoded key. Valid until the next step.</summary>
    ReadOnlySpan<byte> EncodedKey { get; }

    /// <summary>The record's row; nobody changes it.</summary>
    ReadOnlyMemory<byte> Row { get; }

    bool MoveNext();
}
