using System.Text;

namespace Tidemark.Tests.Unit;

public sealed class MemoryEngineTests
{
    [Fact]
    public void A_new_engine_holds_nothing_and_has_applied_nothing()
    {
        using var engine = new MemoryEngine();
        Assert.Equal(("memory", -1, 0), (engine.Name, engine.AppliedOffset, engine.ApproximateBytes));
        using IEngineSnapshot snapshot = engine.TakeSnapshot();
        Assert.Equal(-1, snapshot.AppliedOffset);
        using IEngineCursor cursor = snapshot.OpenCursor();
        Assert.False(cursor.SeekAtOrAfter([]) || cursor.SeekLast() || cursor.SeekBefore([0xFF]));
    }

    [Fact]
    public void A_batch_is_applied_with_its_offset_and_a_snapshot_before_it_stays_as_it_was()
    {
        using var engine = new MemoryEngine();
        engine.Write(new Batch(("a", "1"), ("b", "2")), 7);
        using IEngineSnapshot before = engine.TakeSnapshot();
        engine.Write(new Batch(("a", null), ("c", "3"), ("gone", null)), 7);
        using IEngineSnapshot after = engine.TakeSnapshot();
        engine.Write(new Batch(), 9);

        Assert.Equal("a=1 b=2", Text(before));
        Assert.Equal("b=2 c=3", Text(after));
        Assert.Equal((7, 7, 9), (before.AppliedOffset, after.AppliedOffset, engine.AppliedOffset));
    }

    [Fact]
    public void A_batch_that_throws_halfway_changes_nothing()
    {
        using var engine = new MemoryEngine();
        engine.Write(new Batch(("a", "1"), ("b", "2")), 1);
        var broken = new Batch(("a", null), ("b", "9"), ("c", "3")) { ThrowsAt = 2 };
        Assert.Throws<TimeoutException>(() => engine.Write(broken, 2));
        Assert.Equal(1, engine.AppliedOffset);
        engine.Write(new Batch(), 1);
        using (IEngineSnapshot snapshot = engine.TakeSnapshot()) Assert.Equal("a=1 b=2", Text(snapshot));

        broken.ThrowsAt = -1;
        engine.Write(broken, 2);   // The same batch, from its beginning.
        using (IEngineSnapshot snapshot = engine.TakeSnapshot()) Assert.Equal("b=9 c=3", Text(snapshot));
    }

    [Fact]
    public void A_key_without_bytes_or_above_the_limit_is_refused_whole()
    {
        using var engine = new MemoryEngine();
        Assert.Throws<ArgumentException>(() => engine.Write(new Batch(("", "1")), 0));
        Assert.Throws<LimitExceededException>(() => engine.Write(new Batch(("a", "1"), (new string('k', engine.MaxKeyBytes + 1), "2")), 0));
        engine.Write(new Batch((new string('k', engine.MaxKeyBytes), "2")), 0);
        using IEngineSnapshot snapshot = engine.TakeSnapshot();
        Assert.False(snapshot.TryGet("a"u8, out _));
    }

    [Fact]
    public void The_applied_offset_never_falls()
    {
        using var engine = new MemoryEngine();
        engine.Write(new Batch(), 5);
        Assert.Throws<ArgumentOutOfRangeException>(() => engine.Write(new Batch(("a", "1")), 4));
        Assert.Equal((5, 0), (engine.AppliedOffset, engine.ApproximateBytes));
    }

    [Fact]
    public void What_the_tree_gets_directly_is_seen_with_the_next_write()
    {
        using var engine = new MemoryEngine();
        engine.Tree.Set("a"u8.ToArray(), "1"u8.ToArray());
        using (IEngineSnapshot snapshot = engine.TakeSnapshot()) Assert.Equal("", Text(snapshot));
        engine.Write(new Batch(), 0);
        using (IEngineSnapshot snapshot = engine.TakeSnapshot()) Assert.Equal("a=1", Text(snapshot));
    }

    [Fact]
    public void A_cursor_that_stands_nowhere_has_no_key_and_takes_no_step()
    {
        using var engine = new MemoryEngine();
        engine.Write(new Batch(("a", "1")), 0);
        using IEngineSnapshot snapshot = engine.TakeSnapshot();
        using IEngineCursor cursor = snapshot.OpenCursor();
        Assert.Throws<InvalidOperationException>(() => cursor.MoveNext());
        Assert.True(cursor.SeekLast());
        Assert.False(cursor.MoveNext());
        Assert.Throws<InvalidOperationException>(() => cursor.MovePrevious());
        Assert.Throws<InvalidOperationException>(() => cursor.Key.Length);
        Assert.Throws<InvalidOperationException>(() => cursor.Value.Length);
    }

    [Fact]
    public void What_was_disposed_refuses_every_call_but_a_snapshot_outlives_its_engine()
    {
        var engine = new MemoryEngine();
        engine.Write(new Batch(("a", "1")), 0);
        IEngineSnapshot snapshot = engine.TakeSnapshot();
        engine.Dispose();
        engine.Dispose();
        Assert.Throws<ObjectDisposedException>(() => engine.Write(new Batch(), 1));
        Assert.Throws<ObjectDisposedException>(engine.TakeSnapshot);
        Assert.Throws<ObjectDisposedException>(() => engine.AppliedOffset);
        Assert.Throws<ObjectDisposedException>(() => engine.ApproximateBytes);
        Assert.Equal("a=1", Text(snapshot));

        IEngineCursor cursor = snapshot.OpenCursor();
        cursor.Dispose();
        Assert.Throws<ObjectDisposedException>(() => cursor.SeekLast());
        Assert.Throws<ObjectDisposedException>(() => cursor.MoveNext());
        snapshot.Dispose();
        Assert.Throws<ObjectDisposedException>(() => snapshot.TryGet("a"u8, out _));
        Assert.Throws<ObjectDisposedException>(snapshot.OpenCursor);
        Assert.Throws<ObjectDisposedException>(() => snapshot.AppliedOffset);
    }

    private static string Text(IEngineSnapshot snapshot)
    {
        var rows = new List<string>();
        using IEngineCursor cursor = snapshot.OpenCursor();
        for (bool more = cursor.SeekAtOrAfter([]); more; more = cursor.MoveNext())
        {
            rows.Add($"{Encoding.UTF8.GetString(cursor.Key)}={Encoding.UTF8.GetString(cursor.Value)}");
            Assert.True(snapshot.TryGet(cursor.Key, out ReadOnlySpan<byte> value));
            Assert.True(value.SequenceEqual(cursor.Value));
        }

        return string.Join(' ', rows);
    }

    /// <summary>Changes in order; one without a value removes its key.</summary>
    private sealed class Batch(params (string Key, string? Value)[] changes) : IEngineBatch
    {
        private int _at = -1;

        public int ThrowsAt { get; set; } = -1;

        public ReadOnlySpan<byte> Key => Encoding.UTF8.GetBytes(changes[_at].Key);

        public ReadOnlySpan<byte> Value => Encoding.UTF8.GetBytes(changes[_at].Value ?? "");

        public bool IsDelete => changes[_at].Value is null;

        public void Reset() => _at = -1;

        public bool MoveNext() => ++_at == ThrowsAt ? throw new TimeoutException("as told") : _at < changes.Length;
    }
}
