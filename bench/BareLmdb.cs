using Tidemark.Storage.Engines.Lmdb;

namespace Tidemark.Bench;

/// <summary>LMDB without an engine around it: a read transaction renewed for each get, one cursor for a scan. Keys and values as the store's rows have them.</summary>
internal sealed unsafe class BareLmdb : BareReads
{
    private readonly LmdbEnvironment _environment;
    private readonly byte[][] _keys;
    private readonly uint _rows;

    internal BareLmdb(string directory, StoreKey[] keys, byte[] value)
    {
        Directory.CreateDirectory(directory);
        using (LmdbEngine engine = LmdbEngine.Open(directory))
        {
            byte[] row = new byte[BareRows.Head + value.Length];
            engine.Write(new BareBatch([.. keys.Select(BareRows.KeyOf).Order(Comparer<byte[]>.Create((left, right) => left.AsSpan().SequenceCompareTo(right)))], row), 0);
        }

        _keys = Array.ConvertAll(keys, BareRows.KeyOf);
        _environment = LmdbEnvironment.Open(directory, new LmdbOptions());
        nint transaction = _environment.BeginWrite();
        LmdbErrors.ThrowIf(LmdbCalls.mdb_dbi_open(transaction, "rows", 0, out _rows), directory, "open the rows");
        LmdbErrors.ThrowIf(LmdbCalls.mdb_txn_commit(transaction), directory, "open the rows");
    }

    /// <summary>Loads records in durable transactions of a thousand.</summary>
    internal static void Load(string directory, int records, byte[] value)
    {
        Directory.CreateDirectory(directory);
        byte[] row = new byte[BareRows.Head + value.Length];
        using LmdbEngine engine = LmdbEngine.Open(directory);
        for (int from = 0; from < records; from += 1000)
            engine.Write(new BareBatch([.. Enumerable.Range(from, Math.Min(1000, records - from)).Select(number => BareRows.KeyOf(BenchKeys.Of(number)))], row), from);
    }

    internal override void Gets(Random random)
    {
        for (int i = 0; i < Batch; i++)
        {
            nint transaction = _environment.BeginRead();
            byte[] key = _keys[random.Next(_keys.Length)];
            LmdbValue found;
            int error;
            fixed (byte* at = key) error = LmdbCalls.mdb_get(transaction, _rows, new LmdbValue { Size = (nuint)key.Length, Data = at }, out found);
            byte[] value = found.Span[BareRows.Head..].ToArray();   // What outlives the transaction is a copy, as the store's is.
            _environment.EndRead(transaction);
            if (error != 0 || value.Length != 100) throw new InvalidOperationException("lost");
        }
    }

    internal override long Scan()
    {
        nint transaction = _environment.BeginRead();
        LmdbErrors.ThrowIf(LmdbCalls.mdb_cursor_open(transaction, _rows, out nint cursor), "bare", "scan");
        long count = 0;
        LmdbValue key = default, value = default;
        for (int error = LmdbCalls.mdb_cursor_get(cursor, ref key, ref value, LmdbCalls.CursorFirst); error == 0;
            error = LmdbCalls.mdb_cursor_get(cursor, ref key, ref value, LmdbCalls.CursorNext))
        {
            count += value.Span[BareRows.Head..].ToArray().Length / 100;
        }

        LmdbCalls.mdb_cursor_close(cursor);
        _environment.EndRead(transaction);
        return count;
    }

    public override void Dispose() => _environment.Close();

    private sealed class BareBatch(byte[][] keys, byte[] value) : IEngineBatch
    {
        private int _at = -1;

        public ReadOnlySpan<byte> Key => keys[_at];

        public ReadOnlySpan<byte> Value => value;

        public bool IsDelete => false;

        public void Reset() => _at = -1;

        public bool MoveNext() => ++_at < keys.Length;
    }
}
