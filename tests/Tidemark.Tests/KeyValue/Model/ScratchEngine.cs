namespace Tidemark.Tests.KeyValue.Model;

/// <summary>
/// An engine that is not the memory engine, in the plainest form: a sorted dictionary that outlives whoever opened it. It keeps no promise longer than it
/// has to: what a snapshot or cursor gave out is overwritten as soon as that is used again.
/// </summary>
internal sealed class ScratchEngine : IOrderedEngine
{
    private static readonly Comparer<byte[]> _byBytes = Comparer<byte[]>.Create((left, right) => left.AsSpan().SequenceCompareTo(right));

    private List<KeyValuePair<byte[], byte[]>> _rows = [];   // Sorted, and replaced as a whole.

    public string Name => "scratch";

    public int MaxKeyBytes => 511;

    public long AppliedOffset { get; private set; } = -1;

    public long ApproximateBytes => _rows.Sum(row => (long)row.Key.Length + row.Value.Length);

    /// <summary>How many of the next writes find no room.</summary>
    internal int FullWrites { get; set; }

    public void Write(IEngineBatch batch, long appliedOffset)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(appliedOffset, AppliedOffset);
        var rows = new SortedDictionary<byte[], byte[]>(new Dictionary<byte[], byte[]>(_rows), _byBytes);
        byte[] last = [];
        batch.Reset();
        while (batch.MoveNext())
        {
            byte[] key = batch.Key.ToArray();
            if (key.Length == 0 || key.Length > MaxKeyBytes) throw new ArgumentException($"a key of {key.Length} bytes", nameof(batch));
            Assert.True(last.Length == 0 || _byBytes.Compare(last, key) < 0, "a batch ascends");
            last = key;
            if (batch.IsDelete) rows.Remove(key);
            else rows[key] = batch.Value.ToArray();
        }

        if (FullWrites > 0)
        {
            FullWrites--;
            throw new StoreFullException("The engine has no room.");
        }

        (_rows, AppliedOffset) = ([.. rows], appliedOffset);
    }

    public IEngineSnapshot TakeSnapshot() => new Snapshot(_rows, AppliedOffset);

    public void Dispose()
    {
    }

    private static int FirstAtOrAfter(List<KeyValuePair<byte[], byte[]>> rows, ReadOnlySpan<byte> key)
    {
        int low = 0, high = rows.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (rows[middle].Key.AsSpan().SequenceCompareTo(key) < 0) low = middle + 1;
            else high = middle;
        }

        return low;
    }

    private sealed class Snapshot(List<KeyValuePair<byte[], byte[]>> rows, long appliedOffset) : IEngineSnapshot
    {
        private readonly Scratch _value = new();
        private bool _isDisposed;

        public long AppliedOffset => appliedOffset;

        public bool TryGet(scoped ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            byte[] wanted = key.ToArray();   // Before the scratch goes: the key may lie in it.
            int at = FirstAtOrAfter(rows, wanted);
            bool found = at < rows.Count && rows[at].Key.AsSpan().SequenceEqual(wanted);
            value = _value.Hold(found ? rows[at].Value : []);
            return found;
        }

        public IEngineCursor OpenCursor()
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return new Cursor(rows);
        }

        public void Dispose()
        {
            _isDisposed = true;
            _value.Hold([]);
        }
    }

    private sealed class Cursor(List<KeyValuePair<byte[], byte[]>> rows) : IEngineCursor
    {
        private readonly Scratch _key = new(), _value = new();
        private int _at = -1;

        public ReadOnlySpan<byte> Key => _at >= 0 ? _key.Bytes : throw new InvalidOperationException("the cursor stands nowhere");

        public ReadOnlySpan<byte> Value => _at >= 0 ? _value.Bytes : throw new InvalidOperationException("the cursor stands nowhere");

        public bool SeekAtOrAfter(scoped ReadOnlySpan<byte> key) => StandAt(FirstAtOrAfter(rows, key));

        public bool SeekBefore(scoped ReadOnlySpan<byte> key) => StandAt(FirstAtOrAfter(rows, key) - 1);

        public bool SeekLast() => StandAt(rows.Count - 1);

        public bool MoveNext() => StandAt(Standing() + 1);

        public bool MovePrevious() => StandAt(Standing() - 1);

        public void Dispose() => StandAt(-1);

        private int Standing() => _at >= 0 ? _at : throw new InvalidOperationException("the cursor stands nowhere");

        private bool StandAt(int at)
        {
            _at = at >= 0 && at < rows.Count ? at : -1;
            _key.Hold(_at >= 0 ? rows[_at].Key : []);
            _value.Hold(_at >= 0 ? rows[_at].Value : []);
            return _at >= 0;
        }
    }

    private sealed class Scratch
    {
        internal byte[] Bytes { get; private set; } = [];

        internal byte[] Hold(byte[] bytes)
        {
            Bytes.AsSpan().Fill(0xDB);
            return Bytes = [.. bytes];
        }
    }
}
