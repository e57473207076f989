using System.Diagnostics;

using Tidemark.Core.Engines;

namespace Tidemark.Core.State;

/// <summary>The rows of a state: an engine, and in memory above it what the engine has not yet taken. Keeps the hash of all rows.</summary>
/// <remarks>
/// One writer. Readers go through <see cref="Published"/>, without locks. Over an engine in memory there is nothing to hand over: its tree is written
/// directly. Over an engine on disk changes gather in a tree of their own, with marks for what was deleted, until <see cref="Freeze"/> puts that tree
/// aside to be written in one batch; while it is, a new one gathers what comes.
/// </remarks>
internal sealed class StateTable : IDisposable
{
    /// <summary>Stands for "deleted" in a tree above an engine. Told by reference.</summary>
    internal static readonly byte[] Deleted = new byte[1];

    private readonly IOrderedEngine? _engine;   // Null where the tree is all there is.
    private readonly OrderedTree _memory = new();
    private OrderedTree _top;
    private OrderedTreeView? _frozen;
    private IEngineSnapshot? _base;             // The writer's own look at the engine.
    private StateView _published;

    internal StateTable(IOrderedEngine engine)
    {
        Engine = engine;
        _engine = engine is MemoryEngine ? null : engine;
        _top = engine is MemoryEngine memory ? memory.Tree : _memory;
        _base = _engine?.TakeSnapshot();
        _published = new StateView(_top.View(), null, _engine, engine.AppliedOffset);
    }

    private StateTable(StateTable origin)
    {
        Engine = origin.Engine;
        (_engine, _frozen, _base) = (origin._engine, origin._frozen, origin._base);
        _top = new OrderedTree();
        _top.Restore(origin._top.View());
        _published = origin._published;
        Hash = origin.Hash;
    }

    internal IOrderedEngine Engine { get; }

    /// <summary>Whether rows live in memory alone, so that a snapshot file must remember them.</summary>
    internal bool IsVolatile => _engine is null;

    /// <summary>The sum over all rows that were set with a hash.</summary>
    internal StateHash Hash { get; set; }

    /// <summary>The bytes that wait in memory to be handed to the engine.</summary>
    internal long PendingBytes => _engine is null ? 0 : _top.Bytes + (_frozen?.Bytes ?? 0);

    /// <summary>What readers see.</summary>
    internal StateView Published => Volatile.Read(ref _published);

    /// <summary>Finds a row.</summary>
    /// <param name="key">The row's whole key.</param>
    /// <param name="value">Valid until the table is used again.</param>
    internal bool TryGet(scoped ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (_top.TryGet(key, out byte[]? own) || (_frozen is { } frozen && frozen.TryGet(key, out own)))
        {
            value = own;
            return own != Deleted;
        }

        return _base is not null && _base.TryGet(key, out value);
    }

    /// <summary>The value of a row, or null: an array that nobody changes.</summary>
    internal byte[]? Find(scoped ReadOnlySpan<byte> key)
    {
        if (_top.TryGet(key, out byte[]? own) || (_frozen is { } frozen && frozen.TryGet(key, out own))) return own == Deleted ? null : own;
        return _base is not null && _base.TryGet(key, out ReadOnlySpan<byte> stored) ? stored.ToArray() : null;
    }

    /// <summary>Adds a row that is not there.</summary>
    internal void Add(byte[] key, byte[] value)
    {
        Debug.Assert(!TryGet(key, out _), "a row is added where there is none");
        Hash = Hash.With(key, value);
        _top.Set(key, value);
    }

    /// <summary>Replaces the value of a row that is there.</summary>
    internal void Replace(byte[] key, scoped ReadOnlySpan<byte> old, byte[] value)
    {
        Debug.Assert(TryGet(key, out ReadOnlySpan<byte> found) && found.SequenceEqual(old), "the hash is told the value that goes");
        Hash = Hash.Without(key, old).With(key, value);
        _top.Set(key, value);
    }

    /// <summary>Adds a row, or replaces it.</summary>
    internal void Set(byte[] key, byte[] value)
    {
        if (TryGet(key, out ReadOnlySpan<byte> old)) Replace(key, old, value);
        else Add(key, value);
    }

    /// <summary>Removes a row that is there.</summary>
    internal void Remove(byte[] key, scoped ReadOnlySpan<byte> old)
    {
        Debug.Assert(TryGet(key, out ReadOnlySpan<byte> found) && found.SequenceEqual(old), "the hash is told the value that goes");
        Hash = Hash.Without(key, old);
        Drop(key);
    }

    /// <summary>Sets a row that is no part of the hash.</summary>
    internal void SetUnhashed(byte[] key, byte[] value) => _top.Set(key, value);

    /// <summary>Walks over all rows as they are now. Invalid after the next change.</summary>
    internal RowCursor OpenCursor() => RowCursor.Over(_top.OpenCursor(), _frozen?.OpenCursor(), _base?.OpenCursor());

    /// <summary>Remembers the rows, to come back to them with <see cref="Rollback"/>. Costs the same at any size.</summary>
    internal Savepoint Save() => new(_top.View(), Hash);

    /// <summary>Undoes all changes since a savepoint.</summary>
    internal void Rollback(Savepoint savepoint)
    {
        _top.Restore(savepoint.Top);
        Hash = savepoint.Hash;
    }

    /// <summary>A table that begins with the same rows and changes by itself, in memory alone, on the same thread. Costs the same at any size.</summary>
    /// <remarks>It looks at the engine through this table's eyes: of use while <see cref="IsForkOf"/> holds, never published, frozen or disposed.</remarks>
    internal StateTable Fork() => new(this);

    /// <summary>Whether a fork of a table still sees the engine that it saw.</summary>
    internal bool IsForkOf(StateTable origin) => _engine == origin._engine && _base == origin._base;

    /// <summary>Shows readers all changes so far.</summary>
    /// <param name="appliedOffset">The entry that the last of them came from.</param>
    internal StateView Publish(long appliedOffset)
    {
        var view = new StateView(_top.View(), _frozen, _engine, appliedOffset);
        Volatile.Write(ref _published, view);
        return view;
    }

    /// <summary>Puts what has gathered aside, to be written to the engine; null while an earlier part is, or where nothing gathered.</summary>
    internal OrderedTreeView? Freeze(long appliedOffset)
    {
        if (_engine is null || _frozen is not null || _top.Count == 0) return null;
        _frozen = _top.View();
        _top = new OrderedTree();
        Publish(appliedOffset);
        return _frozen;
    }

    /// <summary>The engine has what was put aside.</summary>
    internal void Thaw(long appliedOffset)
    {
        Debug.Assert(_frozen is not null, "a part is put aside before it is written");
        _frozen = null;
        _base?.Dispose();
        _base = _engine!.TakeSnapshot();
        Publish(appliedOffset);
    }

    /// <summary>Forgets all rows in memory and takes those of a tree instead.</summary>
    internal void Load(OrderedTree rows, StateHash hash)
    {
        Debug.Assert(_engine is null, "only an engine in memory is loaded from outside");
        _top.Restore(rows.View());
        Hash = hash;
    }

    /// <summary>Looks at the engine anew, after something wrote to it directly.</summary>
    internal void Reload()
    {
        _base?.Dispose();
        _base = _engine?.TakeSnapshot();
    }

    public void Dispose() => _base?.Dispose();

    private void Drop(byte[] key)
    {
        if (_engine is null) _top.Remove(key);
        else _top.Set(key, Deleted);
    }

    /// <summary>Where a state was.</summary>
    internal readonly record struct Savepoint(OrderedTreeView Top, StateHash Hash);
}
