using System.Buffers;

using Tidemark.Core.Engines;
using Tidemark.Core.MessagePack;

namespace Tidemark.Core.State;

/// <summary>A state as pieces: all its rows in key order, the header first, each as two MessagePack binaries.</summary>
internal sealed class RowSnapshot : IStateSnapshot
{
    /// <summary>The first byte of the header row's key, which no other row's begins with.</summary>
    internal const byte HeaderTable = 0;

    private const int PieceBytes = 256 * 1024;
    private const long BatchBytes = 16L * 1024 * 1024;

    /// <summary>The key of the row that says what is not in the others; no part of the hash.</summary>
    internal static readonly byte[] HeaderKey = [HeaderTable];

    private readonly StateReader _reader;
    private readonly RowCursor _cursor;
    private readonly byte[] _header;
    private bool _isStarted;
    private bool _isThere;

    /// <param name="reader">The look at the state.</param>
    /// <param name="header">The header row's value.</param>
    /// <param name="position">Where it is.</param>
    /// <param name="hash">The machine's hash there.</param>
    /// <param name="rowsHash">The running sum over all rows but the header.</param>
    internal RowSnapshot(StateReader reader, byte[] header, StatePosition position, StateHash hash, StateHash rowsHash)
    {
        RowsHash = rowsHash;
        _reader = reader;
        _cursor = reader.OpenCursor();
        _header = header;
        Position = position;
        Hash = hash;
    }

    public StatePosition Position { get; }

    public StateHash Hash { get; }

    /// <summary>The running sum over all rows but the header: what <see cref="Recount"/> must come to.</summary>
    internal StateHash RowsHash { get; }

    public bool WriteNext(IBufferWriter<byte> piece)
    {
        if (_isStarted && !_isThere) return false;
        var writer = new MessagePackWriter(piece);
        long bytes = 0;
        if (!_isStarted)
        {
            writer.Write(HeaderKey.AsSpan());
            writer.Write(_header.AsSpan());
            _isThere = _cursor.SeekAtOrAfter([HeaderTable + 1]);
            _isStarted = true;
        }

        for (; _isThere && bytes < PieceBytes; _isThere = _cursor.MoveNext())
        {
            writer.Write(_cursor.Key);
            writer.Write(_cursor.Value);
            bytes += _cursor.Key.Length + _cursor.Value.Length;
        }

        writer.Flush();
        return true;
    }

    /// <summary>The sum over all rows but the header, read anew.</summary>
    /// <param name="isCanceled">Looked at now and then.</param>
    /// <exception cref="OperationCanceledException">It was canceled.</exception>
    internal StateHash Recount(Func<bool> isCanceled)
    {
        StateHash hash = default;
        using RowCursor cursor = _reader.OpenCursor();
        long rows = 0;
        for (bool found = cursor.SeekAtOrAfter([HeaderTable + 1]); found; found = cursor.MoveNext())
        {
            hash = hash.With(cursor.Key, cursor.Value);
            if ((++rows & 0xFFF) == 0 && isCanceled()) throw new OperationCanceledException();
        }

        return hash;
    }

    public void Dispose()
    {
        _cursor.Dispose();
        _reader.Dispose();
    }

    /// <summary>Fills a table with the rows of a snapshot.</summary>
    /// <returns>The header row's value, which the caller takes up.</returns>
    /// <exception cref="MalformedDataException">The pieces are no such snapshot.</exception>
    internal static byte[] Load(StateTable table, IEnumerable<ReadOnlyMemory<byte>> pieces)
    {
        var rows = new Rows(pieces);
        if (table.IsVolatile)
        {
            table.Load(OrderedTree.FromSorted(rows.Read()), default);
        }
        else
        {
            if (table.Engine.AppliedOffset >= 0) throw new InvalidOperationException($"The {table.Engine.Name} engine holds a state already.");
            WriteTo(table.Engine, rows);
            table.Reload();
        }

        return rows.Header ?? throw new MalformedDataException(0, "a snapshot begins with its header row");
    }

    /// <summary>The sum over all rows of a table but the header.</summary>
    internal static StateHash Sum(StateTable table)
    {
        StateHash hash = default;
        using RowCursor cursor = table.OpenCursor();
        for (bool found = cursor.SeekAtOrAfter([HeaderTable + 1]); found; found = cursor.MoveNext()) hash = hash.With(cursor.Key, cursor.Value);
        return hash;
    }

    /// <summary>The sum over all rows of a snapshot but the header, read piece by piece and not kept.</summary>
    /// <exception cref="MalformedDataException">The pieces are no such snapshot.</exception>
    internal static StateHash Sum(IEnumerable<ReadOnlyMemory<byte>> pieces)
    {
        StateHash hash = default;
        foreach (KeyValuePair<byte[], byte[]> row in new Rows(pieces).Read()) hash = hash.With(row.Key, row.Value);
        return hash;
    }

    /// <summary>Hands rows to an engine in large batches, without an offset.</summary>
    private static void WriteTo(IOrderedEngine engine, Rows rows)
    {
        var batch = new List<KeyValuePair<byte[], byte[]>>();
        long bytes = 0;
        foreach (KeyValuePair<byte[], byte[]> row in rows.Read())
        {
            batch.Add(row);
            bytes += row.Key.Length + row.Value.Length;
            if (bytes < BatchBytes) continue;
            engine.Write(new RowBatch(batch), -1);
            batch.Clear();
            bytes = 0;
        }

        engine.Write(new RowBatch(batch), -1);
    }

    /// <summary>Takes rows out of pieces, in order.</summary>
    private sealed class Rows(IEnumerable<ReadOnlyMemory<byte>> pieces)
    {
        internal byte[]? Header { get; private set; }

        internal IEnumerable<KeyValuePair<byte[], byte[]>> Read()
        {
            byte[] last = [];
            foreach (ReadOnlyMemory<byte> piece in pieces)
            {
                int at = 0;
                while (at < piece.Length)
                {
                    (byte[] key, byte[] value, int consumed) = ReadRow(piece.Span[at..]);
                    at += consumed;
                    if (Header is null)
                    {
                        if (!key.AsSpan().SequenceEqual(HeaderKey)) throw new MalformedDataException(at, "a snapshot begins with its header row");
                        Header = value;
                        continue;
                    }

                    if (key.AsSpan().SequenceCompareTo(last) <= 0 || key[0] == HeaderTable)
                        throw new MalformedDataException(at, "the rows of a snapshot ascend");
                    last = key;
                    yield return new KeyValuePair<byte[], byte[]>(key, value);
                }
            }
        }

        private static (byte[] Key, byte[] Value, int Consumed) ReadRow(ReadOnlySpan<byte> bytes)
        {
            var reader = new MessagePackReader(bytes);
            byte[] key = reader.ReadBytes().ToArray();
            return (key, reader.ReadBytes().ToArray(), (int)reader.Consumed);
        }
    }
}
