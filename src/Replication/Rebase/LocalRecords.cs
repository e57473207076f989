using Tidemark.Core.Rebase;
using Tidemark.Replication.Rebase;

namespace Tidemark;

/// <summary>The records of a local store as the server has confirmed them: without what pending mutations do.</summary>
/// <remarks>Safe for concurrent calls. Always whole: true of one position of the server's log.</remarks>
public sealed class ConfirmedRecords
{
    private readonly LocalRuntime _runtime;

    internal ConfirmedRecords(LocalRuntime runtime) => _runtime = runtime;

    /// <summary>Reads a record. No waiting.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value; nobody changes it.</param>
    /// <returns>False where there is none.</returns>
    public bool TryGet(StoreKey key, out ReadOnlyMemory<byte> value) => LocalReads.TryGet(_runtime, isConfirmed: true, key, out value);

    /// <summary>Reads the records of a range, all as they are now, in the order of the keys.</summary>
    /// <param name="range">The range.</param>
    /// <param name="reverse">Whether to begin at its end.</param>
    public IEnumerable<KeyValuePair<StoreKey, ReadOnlyMemory<byte>>> Scan(KeyRange range, bool reverse = false) => LocalReads.Scan(_runtime, isConfirmed: true, range, reverse);
}

/// <summary>Mutations that are not known to be decided.</summary>
/// <remarks>Safe for concurrent calls. It follows the store.</remarks>
public sealed class PendingMutations
{
    private readonly LocalRuntime _runtime;

    internal PendingMutations(LocalRuntime runtime) => _runtime = runtime;

    /// <summary>How many there are.</summary>
    public int Count => _runtime.Mutations.Count;

    /// <summary>The one called first; null where there is none.</summary>
    public Mutation? Oldest => _runtime.Mutations.Oldest;

    /// <summary>All of them, in the order they were called in.</summary>
    public IReadOnlyList<Mutation> All => _runtime.Mutations.All;

    /// <summary>Completes when mutations were called or decided, or what they look at has changed, or the store is closed. Take it before looking.</summary>
    public Task Changed => _runtime.Changed;
}

/// <summary>A record whose visible value is another than before.</summary>
/// <param name="Key">The key.</param>
/// <param name="Before">The value before; null where there was none.</param>
/// <param name="Value">The value now; null where there is none.</param>
public readonly record struct VisibleChange(StoreKey Key, ReadOnlyMemory<byte>? Before, ReadOnlyMemory<byte>? Value);

/// <summary>A place in the log of a server.</summary>
/// <param name="LogId">The log.</param>
/// <param name="Offset">The entry that was applied last.</param>
/// <param name="Timestamp">When it was written.</param>
public readonly record struct LocalStorePosition(Guid LogId, long Offset, HybridTimestamp Timestamp);

/// <summary>Reads what a local store shows.</summary>
internal static class LocalReads
{
    internal static bool TryGet(LocalRuntime runtime, bool isConfirmed, StoreKey key, out ReadOnlyMemory<byte> value)
    {
        runtime.ThrowIfClosed();
        return runtime.View.TryGet(isConfirmed, key, out value);
    }

    internal static IEnumerable<KeyValuePair<StoreKey, ReadOnlyMemory<byte>>> Scan(LocalRuntime runtime, bool isConfirmed, KeyRange range, bool isReverse)
    {
        ArgumentNullException.ThrowIfNull(range);
        runtime.ThrowIfClosed();
        LocalView view = runtime.View;
        return view.Scan(isConfirmed, view.Fields.Order!.Encode(range), isReverse);
    }
}
