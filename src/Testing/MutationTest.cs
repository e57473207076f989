using System.Buffers;

using Tidemark.Core.Engines;
using Tidemark.Core.Rebase;

namespace Tidemark.Testing;

/// <summary>What a mutator made of a call.</summary>
/// <param name="Writes">What it wrote, by key in the order of the keys; null for what it deleted. Empty where it rejected or threw.</param>
/// <param name="Rejection">Why it rejected; null where it did not.</param>
/// <param name="Exception">What else it threw; null where it did not.</param>
public sealed record MutationTestResult(IReadOnlyList<KeyValuePair<StoreKey, byte[]?>> Writes, MutationRejectedException? Rejection, Exception? Exception)
{
    /// <summary>Whether it did what it was asked for.</summary>
    public bool IsDone => Rejection is null && Exception is null;
}

/// <summary>Runs mutators over records, without a store, a client or a server.</summary>
/// <remarks>Not thread-safe. Each run is the next mutation of one client, at a time that stands still.</remarks>
public sealed class MutationTest
{
    private static readonly Guid _client = new("0190a1b2c3d4e5f6a7b8c9d0e1f20304");

    private readonly Mutators _mutators;
    private readonly Records _records;
    private long _last;

    /// <summary>Begins without a record.</summary>
    /// <param name="mutators">The mutators to test.</param>
    /// <param name="order">The order of the keys; null for hierarchical.</param>
    public MutationTest(Mutators mutators, KeyOrder? order = null)
    {
        ArgumentNullException.ThrowIfNull(mutators);
        (_mutators, _records) = (mutators, new Records(order ?? KeyOrder.Hierarchical));
    }

    /// <summary>When mutations are called.</summary>
    public HybridTimestamp Time { get; set; } = HybridTimestamp.FromDateTimeOffset(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));

    /// <summary>Writes a record that mutators will find.</summary>
    public void Put(StoreKey key, ReadOnlySpan<byte> value) => _records.Tree.Set(_records.Order.Encode(key.Span), value.ToArray());

    /// <summary>The value of a record; null where there is none.</summary>
    public byte[]? Get(StoreKey key) => _records.Tree.TryGet(_records.Order.Encode(key.Span), out byte[]? value) ? value : null;

    /// <summary>Runs a mutator, twice over the same records, and writes what it wrote.</summary>
    /// <typeparam name="TArguments">The arguments, which say which mutator is meant. They are turned into bytes and back.</typeparam>
    /// <exception cref="InvalidOperationException">The two runs came to different ends: the mutator looks at something else than its context and its arguments.</exception>
    public MutationTestResult Run<TArguments>(TArguments arguments)
        where TArguments : notnull
    {
        Mutator<TArguments> mutator = _mutators.Find<TArguments>();
        var bytes = new ArrayBufferWriter<byte>();
        mutator.Write(arguments, bytes);
        var mutation = new TimelineEntry(++_last, mutator.Name, mutator.Version, Time, bytes.WrittenMemory);
        MutationRun run = MutationRun.Of(_mutators, _records, _client, mutation), again = MutationRun.Of(_mutators, _records, _client, mutation);
        RequireSame(mutator, run, again);
        foreach ((byte[] key, byte[]? value) in run.Writes)
        {
            if (value is null) _records.Tree.Remove(key);
            else _records.Tree.Set(key, value);
        }

        List<KeyValuePair<StoreKey, byte[]?>> writes = [.. run.Writes.Select(write => KeyValuePair.Create(new StoreKey(_records.Order.Decode(write.Key)), write.Value))];
        return new MutationTestResult(writes, run.End == MutationEnd.Rejected ? new MutationRejectedException(run.Code!, run.Text) : null, run.Fault);
    }

    private static void RequireSame(Mutator mutator, in MutationRun first, in MutationRun second)
    {
        IReadOnlyDictionary<byte[], byte[]?> others = second.Writes;
        bool isSame = first.End == second.End && first.Code == second.Code && first.Writes.Count == others.Count
            && first.Writes.All(write => others.TryGetValue(write.Key, out byte[]? other) && (write.Value is null) == (other is null) && write.Value.AsSpan().SequenceEqual(other));
        if (!isSame) throw new InvalidOperationException($"Mutator '{mutator.Name}' of version {mutator.Version} came to another end when it ran again over the same records. It may look at its context and its arguments alone.");
    }

    private sealed class Records(KeyOrder order) : IMutationSource
    {
        internal OrderedTree Tree { get; } = new();

        public KeyOrder Order => order;

        public bool TryGet(ReadOnlySpan<byte> encodedKey, out ReadOnlyMemory<byte> value)
        {
            bool isThere = Tree.TryGet(encodedKey, out byte[]? found);
            value = found;
            return isThere;
        }

        public IEnumerable<KeyValuePair<byte[], ReadOnlyMemory<byte>>> Scan(EncodedKeyRange range, bool isReverse)
        {
            OrderedTreeCursor cursor = Tree.OpenCursor();
            bool found = !isReverse ? cursor.SeekAtOrAfter(range.Start.Span) : range.End.IsEmpty ? cursor.SeekLast() : cursor.SeekBefore(range.End.Span);
            for (; found && range.Contains(cursor.Key); found = isReverse ? cursor.MovePrevious() : cursor.MoveNext()) yield return new(cursor.Key, cursor.Value);
        }
    }
}
