using Tidemark.Core.Engines;

namespace Tidemark;

/// <summary>An ordered engine in this process's memory. It is the fastest, takes no lock to read, and needs no native code.</summary>
/// <remarks>
/// It remembers nothing when it is disposed or the process ends: what lasts is the log, and a snapshot file written from <see cref="TakeSnapshot"/>, and
/// whoever opens it anew applies these. So "on stable storage" holds here of nothing, and no call fails for a disk. A get costs no allocation;
/// a write costs a copy of each key and value, and of the few tree nodes on the way to each that a snapshot could still see.
/// </remarks>
public sealed class MemoryEngine : IOrderedEngine
{
    private Content? _content = new(new OrderedTree().View(), AppliedOffset: -1);   // What readers see, swapped as one; null once disposed.

    /// <summary>Creates an engine that holds nothing.</summary>
    public MemoryEngine()
    {
    }

    /// <summary>"memory".</summary>
    public string Name => "memory";

    /// <summary>65,535 bytes. Nothing breaks beyond; a longer key is a mistake.</summary>
    public int MaxKeyBytes => ushort.MaxValue;

    /// <inheritdoc/>
    public long AppliedOffset => Current.AppliedOffset;

    /// <summary>About how many bytes of memory the rows take.</summary>
    public long ApproximateBytes => Current.View.Bytes;

    /// <summary>The rows, for the writer. Readers see what it changes here with the next <see cref="Write"/>.</summary>
    internal OrderedTree Tree { get; } = new();

    private Content Current
    {
        get
        {
            Content? content = Volatile.Read(ref _content);
            ObjectDisposedException.ThrowIf(content is null, this);
            return content;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A key has no byte. Nothing was changed.</exception>
    /// <exception cref="LimitExceededException">A key has more than <see cref="MaxKeyBytes"/> bytes. Nothing was changed.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The applied offset falls. Nothing was changed.</exception>
    public void Write(IEngineBatch batch, long appliedOffset)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentOutOfRangeException.ThrowIfLessThan(appliedOffset, Current.AppliedOffset);
        OrderedTreeView before = Tree.View();
        try
        {
            batch.Reset();
            while (batch.MoveNext()) Change(batch);
        }
        catch
        {
            Tree.Restore(before);   // Whatever the batch threw: half of it is never seen.
            throw;
        }

        Volatile.Write(ref _content, new Content(Tree.View(), appliedOffset));
    }

    /// <inheritdoc/>
    public IEngineSnapshot TakeSnapshot() => new Snapshot(Current);

    /// <summary>Lets go of all rows. Snapshots that live keep theirs.</summary>
    public void Dispose()
    {
        Volatile.Write(ref _content, null);
        Tree.Restore(new OrderedTree().View());
    }

    private void Change(IEngineBatch batch)
    {
        ReadOnlySpan<byte> key = batch.Key;
        if (key.IsEmpty) throw new ArgumentException("A key has at least one byte.", nameof(batch));
        if (key.Length > MaxKeyBytes) throw new LimitExceededException("key", key.Length, MaxKeyBytes, "the engine in memory");
        if (batch.IsDelete) Tree.Remove(key);
        else Tree.Set(key.ToArray(), batch.Value.ToArray());
    }

    private sealed record Content(OrderedTreeView View, long AppliedOffset);

    private sealed class Snapshot(Content content) : IEngineSnapshot
    {
        private Content? _content = content;

        public long AppliedOffset => Current.AppliedOffset;

        private Content Current
        {
            get
            {
                ObjectDisposedException.ThrowIf(_content is null, this);
                return _content;
            }
        }

        public bool TryGet(scoped ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
        {
            bool found = Current.View.TryGet(key, out byte[]? bytes);
            value = bytes;
            return found;
        }

        public IEngineCursor OpenCursor() => new Cursor(Current.View.OpenCursor());

        public void Dispose() => _content = null;
    }

    private sealed class Cursor(OrderedTreeCursor cursor) : IEngineCursor
    {
        private OrderedTreeCursor? _cursor = cursor;
        private bool _stands;

        public ReadOnlySpan<byte> Key => Standing().Key;

        public ReadOnlySpan<byte> Value => Standing().Value;

        public bool SeekAtOrAfter(scoped ReadOnlySpan<byte> key) => _stands = Open().SeekAtOrAfter(key);

        public bool SeekBefore(scoped ReadOnlySpan<byte> key) => _stands = Open().SeekBefore(key);

        public bool SeekLast() => _stands = Open().SeekLast();

        public bool MoveNext() => _stands = Standing().MoveNext();

        public bool MovePrevious() => _stands = Standing().MovePrevious();

        public void Dispose() => (_cursor, _stands) = (null, false);

        private OrderedTreeCursor Open()
        {
            ObjectDisposedException.ThrowIf(_cursor is null, this);
            return _cursor;
        }

        private OrderedTreeCursor Standing()
        {
            OrderedTreeCursor cursor = Open();
            return _stands ? cursor : throw new InvalidOperationException("The cursor stands nowhere: seek first.");
        }
    }
}
