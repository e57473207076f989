namespace Tidemark;

/// <summary>A durable map from byte keys to byte values, ordered by the keys' bytes, that the state of one shard is kept in.</summary>
/// <remarks>
/// Keys compare as unsigned bytes, a prefix before what extends it. One thread at a time calls <see cref="Write"/>; snapshots may be taken and
/// read by other threads meanwhile. The engine is never on the way of an acknowledged write: the log is the truth, and what an engine has not yet
/// taken is applied to it again from there. The rules are the cases of <c>Tidemark.Testing.OrderedEngineContract</c>.
/// </remarks>
public interface IOrderedEngine : IDisposable
{
    /// <summary>The engine's name, in lower case: it stands in the catalog of a store.</summary>
    string Name { get; }

    /// <summary>The longest key it can hold, in bytes.</summary>
    int MaxKeyBytes { get; }

    /// <summary>The offset that the last completed <see cref="Write"/> carried; -1 where there was none.</summary>
    long AppliedOffset { get; }

    /// <summary>About how many bytes it takes, on disk or, for an engine in memory, there.</summary>
    long ApproximateBytes { get; }

    /// <summary>Makes all changes of a batch, and the applied offset with them, or none. Returns once they are on stable storage.</summary>
    /// <param name="batch">The changes, in ascending key order, each key once. May be empty.</param>
    /// <param name="appliedOffset">The offset of the last log entry whose effects are in the engine with this batch. Never falls.</param>
    /// <exception cref="LimitExceededException">A key is longer than <see cref="MaxKeyBytes"/>. Nothing was changed.</exception>
    /// <exception cref="StoreFullException">There is no room. Nothing was changed; the same batch may be tried again.</exception>
    /// <exception cref="StoreFailedException">The disk refused. The engine takes no more writes until it is opened again.</exception>
    void Write(IEngineBatch batch, long appliedOffset);

    /// <summary>The content as it is between two writes, unchanged for as long as the snapshot lives. Costs the same at any size.</summary>
    /// <remarks>A snapshot may keep the engine from reusing the space of what was deleted since: dispose it soon.</remarks>
    IEngineSnapshot TakeSnapshot();
}

/// <summary>The changes of one <see cref="IOrderedEngine.Write"/>, read in order, more than once if the engine has to start over.</summary>
public interface IEngineBatch
{
    /// <summary>Goes back to before the first change.</summary>
    void Reset();

    /// <summary>Steps to the next change; false behind the last.</summary>
    bool MoveNext();

    /// <summary>The key to change. Valid until the next step.</summary>
    ReadOnlySpan<byte> Key { get; }

    /// <summary>The value to set; empty where the key goes. Valid until the next step.</summary>
    ReadOnlySpan<byte> Value { get; }

    /// <summary>Whether the key goes. It need not exist.</summary>
    bool IsDelete { get; }
}

/// <summary>An engine's content at one moment.</summary>
/// <remarks>Not thread-safe: one thread at a time uses it and its cursors, but it may move between threads.</remarks>
public interface IEngineSnapshot : IDisposable
{
    /// <summary>The engine's <see cref="IOrderedEngine.AppliedOffset"/> at that moment.</summary>
    long AppliedOffset { get; }

    /// <summary>Finds the value of a key.</summary>
    /// <param name="key">Any bytes, at least one.</param>
    /// <param name="value">The value. Valid until the snapshot is used again or disposed.</param>
    /// <returns>False where the key does not exist.</returns>
    bool TryGet(scoped ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value);

    /// <summary>A cursor over all keys, which stands nowhere yet. Dispose it before the snapshot.</summary>
    IEngineCursor OpenCursor();
}

/// <summary>A place in an ordered engine's snapshot.</summary>
/// <remarks>Where a step answers false the cursor stands nowhere; the next call must be a seek.</remarks>
public interface IEngineCursor : IDisposable
{
    /// <summary>Goes to the first key at or after the given bytes; empty bytes stand before all keys.</summary>
    /// <returns>False where there is none.</returns>
    bool SeekAtOrAfter(scoped ReadOnlySpan<byte> key);

    /// <summary>Goes to the last key before the given bytes.</summary>
    /// <returns>False where there is none.</returns>
    bool SeekBefore(scoped ReadOnlySpan<byte> key);

    /// <summary>Goes to the last key of all.</summary>
    /// <returns>False where there is none.</returns>
    bool SeekLast();

    /// <summary>Goes to the next key.</summary>
    bool MoveNext();

    /// <summary>Goes to the key before.</summary>
    bool MovePrevious();

    /// <summary>The key the cursor stands at. Valid until the cursor or its snapshot is used again.</summary>
    ReadOnlySpan<byte> Key { get; }

    /// <summary>The value the cursor stands at. Valid as <see cref="Key"/>.</summary>
    ReadOnlySpan<byte> Value { get; }
}
