using System.Buffers.Binary;

using static Tidemark.Testing.ContractCheck;

namespace Tidemark.Testing;

/// <summary>An engine to be tested.</summary>
/// <param name="Open">Opens it; the first time fresh and empty, later, if it is durable, with what it was left with.</param>
/// <param name="IsDurable">Whether its content outlives <see cref="IDisposable.Dispose"/>.</param>
public sealed record OrderedEngineSubject(Func<IOrderedEngine> Open, bool IsDurable);

/// <summary>The rules every <see cref="IOrderedEngine"/> keeps, as cases for any test framework.</summary>
/// <remarks>That a write is on stable storage when it returns is not among them: only a power cut shows it.</remarks>
public static class OrderedEngineContract
{
    /// <summary>The cases, each independent of the others.</summary>
    public static IReadOnlyList<ContractCase<OrderedEngineSubject>> Cases { get; } =
    [
        With("An_engine_begins_empty_and_before_all_offsets", engine =>
        {
            using IEngineSnapshot snapshot = engine.TakeSnapshot();
            using IEngineCursor cursor = snapshot.OpenCursor();
            Equal(-1L, engine.AppliedOffset, "A new engine has applied nothing.");
            True(!cursor.SeekAtOrAfter([]) && !cursor.SeekLast() && !cursor.SeekBefore([1]), "There is nowhere to go in an empty engine.");
            True(!snapshot.TryGet([1], out _), "There is nothing to find in an empty engine.");
        }),
        With("Keys_sort_as_unsigned_bytes_and_a_prefix_comes_first", engine =>
        {
            byte[][] ascending = [[0], [0, 0], [0, 255], [1], [127], [128], [255], [255, 0], [255, 255]];
            engine.Write(new EngineRows([.. ascending.Select(key => (key, (byte[]?)[(byte)key.Length]))]), 0);
            using IEngineSnapshot snapshot = engine.TakeSnapshot();
            using IEngineCursor cursor = snapshot.OpenCursor();
            int at = 0;
            for (bool found = cursor.SeekAtOrAfter([]); found; found = cursor.MoveNext(), at++) SameBytes(ascending[at], cursor.Key, "Forwards, keys ascend.");
            Equal(ascending.Length, at, "Forwards, all keys are met.");
            for (bool found = cursor.SeekLast(); found; found = cursor.MovePrevious()) SameBytes(ascending[--at], cursor.Key, "Backwards, keys descend.");
            Equal(0, at, "Backwards, all keys are met.");
        }),
        With("A_batch_sets_replaces_and_deletes_and_carries_its_offset", engine =>
        {
            engine.Write(new EngineRows([([1], [1]), ([2], [2]), ([3], [])]), 4);
            engine.Write(new EngineRows([([1], null), ([2], new byte[1 << 20]), ([9], null)]), 7);
            engine.Write(new EngineRows([]), 9);
            using IEngineSnapshot snapshot = engine.TakeSnapshot();
            Equal((9L, 9L), (engine.AppliedOffset, snapshot.AppliedOffset), "The offset is that of the last batch, also of an empty one.");
            True(!snapshot.TryGet([1], out _), "What was deleted is gone.");
            True(snapshot.TryGet([2], out ReadOnlySpan<byte> value) && value.Length == 1 << 20, "What was replaced has the new value.");
            True(snapshot.TryGet([3], out value) && value.IsEmpty, "A value may be empty.");
        }),
        With("The_longest_key_is_held_and_a_longer_one_refused_with_its_whole_batch", engine =>
        {
            byte[] longest = new byte[engine.MaxKeyBytes], longer = new byte[engine.MaxKeyBytes + 1];
            engine.Write(new EngineRows([(longest, [1])]), 0);
            Throws<LimitExceededException>(() => engine.Write(new EngineRows([(longer, [2]), ([1], [1])]), 1), "A longer key is refused.");
            using IEngineSnapshot snapshot = engine.TakeSnapshot();
            True(snapshot.TryGet(longest, out _) && !snapshot.TryGet([1], out _), "Nothing of the refused batch is there.");
            Equal(0L, engine.AppliedOffset, "A refused batch carries no offset.");
        }),
        With("A_batch_that_fails_half_way_changes_nothing_and_the_engine_goes_on", engine =>
        {
            engine.Write(new EngineRows([([5], [5])]), 0);
            Throws<InvalidOperationException>(() => engine.Write(new EngineRows([([1], [1]), ([5], null)], failAtEnd: true), 1), "The batch's own error comes through.");
            using (IEngineSnapshot snapshot = engine.TakeSnapshot()) True(!snapshot.TryGet([1], out _) && snapshot.TryGet([5], out _), "Nothing was changed.");
            engine.Write(new EngineRows([([1], [1])]), 1);
            using (IEngineSnapshot snapshot = engine.TakeSnapshot()) True(snapshot.TryGet([1], out _), "The next batch is taken.");
        }),
        With("A_snapshot_stays_as_it_was_while_others_write_and_look", engine =>
        {
            engine.Write(Numbered(0, 1000, version: 0), 0);
            using IEngineSnapshot old = engine.TakeSnapshot();
            for (int i = 1; i <= 20; i++) engine.Write(i % 2 == 0 ? Numbered(0, 1000, i) : new EngineRows([.. Enumerable.Range(0, 500).Select(n => (KeyOf(n), (byte[]?)null))]), i);
            using IEngineSnapshot now = engine.TakeSnapshot();
            Equal((1000, 0L), (Count(old, version: 0), old.AppliedOffset), "The old snapshot has the old rows.");
            Equal((1000, 20L), (Count(now, version: 20), now.AppliedOffset), "The new one has the new rows.");
            int seen = 0;
            var thread = new Thread(() => seen = Count(old, version: 0));
            thread.Start();
            thread.Join();
            Equal(1000, seen, "A snapshot may be read by another thread.");
        }),
        With("Readers_beside_a_writer_see_whole_batches", engine =>
        {
            engine.Write(Numbered(0, 50, version: 0), 0);
            bool isOver = false;
            Exception? failure = null;
            var readers = Enumerable.Range(0, 2).Select(_ => new Thread(() =>
            {
                try
                {
                    while (!Volatile.Read(ref isOver))
                    {
                        using IEngineSnapshot snapshot = engine.TakeSnapshot();
                        Equal(50, Count(snapshot, (int)snapshot.AppliedOffset), "Every row is of the batch that the offset names.");
                    }
                }
                catch (Exception e)
                {
                    failure = e;
                }
            })).ToArray();
            foreach (Thread reader in readers) reader.Start();
            for (int i = 1; i <= 200; i++) engine.Write(Numbered(0, 50, i), i);
            Volatile.Write(ref isOver, true);
            foreach (Thread reader in readers) reader.Join();
            if (failure is not null) throw failure;
        }),
        With("A_random_history_agrees_with_a_plain_map", RandomHistory),
        With("What_is_disposed_says_so", engine =>
        {
            engine.Write(new EngineRows([([1], [1])]), 0);
            IEngineSnapshot kept = engine.TakeSnapshot();
            IEngineSnapshot gone = engine.TakeSnapshot();
            gone.Dispose();
            gone.Dispose();
            Throws<ObjectDisposedException>(() => gone.TryGet([1], out _), "A disposed snapshot is read no more.");
            engine.Dispose();
            engine.Dispose();
            Throws<ObjectDisposedException>(() => engine.TakeSnapshot(), "A disposed engine gives no snapshot.");
            Throws<ObjectDisposedException>(() => engine.Write(new EngineRows([]), 1), "A disposed engine takes no batch.");
            try
            {
                True(kept.TryGet([1], out _), "A snapshot that outlives its engine still has its rows, or says that it is over.");
            }
            catch (ObjectDisposedException)
            {
                // Either is right; a crash is not.
            }

            kept.Dispose();
        }),
        new ContractCase<OrderedEngineSubject>("What_was_written_is_there_after_a_reopen", create =>
        {
            OrderedEngineSubject subject = create();
            if (!subject.IsDurable) return;
            for (int round = 0; round < 5; round++)
            {
                using IOrderedEngine engine = subject.Open();
                Equal(round - 1L, engine.AppliedOffset, "The offset is that of the last batch.");
                using (IEngineSnapshot before = engine.TakeSnapshot())
                {
                    Equal(round - 1L, before.AppliedOffset, "A snapshot knows the offset after a reopen.");
                    Equal(round == 0 ? 0 : 300, Count(before, round - 1), "All rows are there.");
                }

                engine.Write(Numbered(0, 300, round), round);
                True(engine.ApproximateBytes > 0, "An engine with rows takes room.");
            }
        }),
    ];

    private static ContractCase<OrderedEngineSubject> With(string name, Action<IOrderedEngine> rule) => new(name, create =>
    {
        using IOrderedEngine engine = create().Open();
        rule(engine);
    });

    private static void RandomHistory(IOrderedEngine engine)
    {
        var chance = new Random(7);
        var model = new SortedDictionary<byte[], byte[]>(Comparer<byte[]>.Create((left, right) => left.AsSpan().SequenceCompareTo(right)));
        for (int round = 0; round < 60; round++)
        {
            var changes = new SortedDictionary<byte[], byte[]?>(model.Comparer);
            for (int i = chance.Next(40); i > 0; i--) changes[RandomKey(chance)] = chance.Next(3) == 0 ? null : RandomKey(chance);
            engine.Write(new EngineRows([.. changes.Select(change => (change.Key, change.Value))]), round);
            foreach ((byte[] key, byte[]? value) in changes)
            {
                if (value is null) model.Remove(key);
                else model[key] = value;
            }

            byte[][] keys = [.. model.Keys];
            using IEngineSnapshot snapshot = engine.TakeSnapshot();
            using IEngineCursor cursor = snapshot.OpenCursor();
            for (int probe = 0; probe < 30; probe++)
            {
                byte[] at = RandomKey(chance);
                int place = Array.FindIndex(keys, key => key.AsSpan().SequenceCompareTo(at) >= 0);
                if (place < 0) place = keys.Length;
                bool isForward = chance.Next(2) == 0;
                if (!isForward) place--;
                bool found = isForward ? cursor.SeekAtOrAfter(at) : cursor.SeekBefore(at);
                // A walk to and fro from there.
                for (int step = 0; step < 8; step++)
                {
                    Equal(place >= 0 && place < keys.Length, found, "A cursor stands where the model has a row.");
                    if (!found) break;
                    SameBytes(keys[place], cursor.Key, "The cursor's key is the model's.");
                    SameBytes(model[keys[place]], cursor.Value, "The cursor's value is the model's.");
                    bool next = chance.Next(2) == 0;
                    place += next ? 1 : -1;
                    found = next ? cursor.MoveNext() : cursor.MovePrevious();
                }
            }
        }
    }

    private static byte[] RandomKey(Random chance)
    {
        byte[] key = new byte[1 + chance.Next(4)];
        for (int i = 0; i < key.Length; i++) key[i] = (byte)(chance.Next(4) switch { 0 => 0, 1 => 255, _ => chance.Next(256) });
        return key;
    }

    private static byte[] KeyOf(int number)
    {
        byte[] key = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(key, number);
        return key;
    }

    private static EngineRows Numbered(int from, int count, int version) => new([.. Enumerable.Range(from, count).Select(n => (KeyOf(n), (byte[]?)KeyOf(version)))]);

    /// <summary>How many rows have a version; -1 if some have another.</summary>
    private static int Count(IEngineSnapshot snapshot, int version)
    {
        int count = 0;
        using IEngineCursor cursor = snapshot.OpenCursor();
        for (bool found = cursor.SeekAtOrAfter([]); found; found = cursor.MoveNext(), count++)
        {
            if (BinaryPrimitives.ReadInt32BigEndian(cursor.Value) != version) return -1;
        }

        return count;
    }
}

/// <summary>Rows as a batch for an <see cref="IOrderedEngine"/>: for tests of engines.</summary>
/// <param name="rows">Keys, ascending, each once, with their values; null where the key goes.</param>
/// <param name="failAtEnd">Whether reading it ends in an <see cref="InvalidOperationException"/>.</param>
public sealed class EngineRows(IEnumerable<(byte[] Key, byte[]? Value)> rows, bool failAtEnd = false) : IEngineBatch
{
    private readonly (byte[] Key, byte[]? Value)[] _rows = [.. rows];
    private int _at = -1;

    /// <inheritdoc/>
    public ReadOnlySpan<byte> Key => _rows[_at].Key;

    /// <inheritdoc/>
    public ReadOnlySpan<byte> Value => _rows[_at].Value;

    /// <inheritdoc/>
    public bool IsDelete => _rows[_at].Value is null;

    /// <inheritdoc/>
    public void Reset() => _at = -1;

    /// <inheritdoc/>
    public bool MoveNext()
    {
        if (++_at < _rows.Length) return true;
        return failAtEnd ? throw new InvalidOperationException("The batch fails.") : false;
    }
}
