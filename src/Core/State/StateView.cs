using Tidemark.Core.Engines;

namespace Tidemark.Core.State;

/// <summary>A state at one moment, as readers see it: the trees in memory at that moment, and the engine below them.</summary>
/// <remarks>
/// Immutable and shared. An engine's snapshot is not part of it, because each reader needs one of its own: it is taken when the view is opened, and
/// may then be newer than the view by the part that was just being written to the engine, which the view still holds in memory with the same values.
/// Had the engine taken more than that, the view would be too old to open.
/// </remarks>
internal sealed class StateView(OrderedTreeView top, OrderedTreeView? frozen, IOrderedEngine? engine, long appliedOffset)
{
    /// <summary>The entry applied last.</summary>
    internal long AppliedOffset => appliedOffset;

    internal OrderedTreeView Top => top;

    internal OrderedTreeView? Frozen => frozen;

    /// <summary>The engine below, or null where memory is all there is.</summary>
    internal IOrderedEngine? Engine => engine;

    /// <summary>Finds a row that is in memory. Allocates nothing.</summary>
    /// <returns>True where memory knows; <paramref name="value"/> is null then if the row was deleted.</returns>
    internal bool TryGetInMemory(ReadOnlySpan<byte> key, out byte[]? value)
    {
        if (!top.TryGet(key, out value) && (frozen is null || !frozen.TryGet(key, out value))) return engine is null;
        if (value == StateTable.Deleted) value = null;
        return true;
    }
}

/// <summary>A reader's hold on a state at one moment.</summary>
/// <remarks>Not thread-safe. Dispose it soon: over an engine on disk it keeps the space of deleted rows from being used again.</remarks>
internal readonly struct StateReader : IDisposable
{
    private readonly IEngineSnapshot? _base;

    private StateReader(StateView view, IEngineSnapshot? engineSnapshot)
    {
        View = view;
        _base = engineSnapshot;
    }

    internal StateView View { get; }

    /// <summary>Opens what the table shows now.</summary>
    internal static StateReader Open(StateTable table)
    {
        while (true)
        {
            StateView view = table.Published;
            if (view.Engine is null) return new StateReader(view, null);
            IEngineSnapshot snapshot = view.Engine.TakeSnapshot();
            if (snapshot.AppliedOffset <= view.AppliedOffset) return new StateReader(view, snapshot);
            snapshot.Dispose();   // The engine has more than the view had: there is a newer view.
        }
    }

    /// <summary>Finds a row.</summary>
    /// <param name="key">The row's whole key.</param>
    /// <param name="value">The value; a copy of its own where it came from an engine on disk.</param>
    internal bool TryGet(ReadOnlySpan<byte> key, out ReadOnlyMemory<byte> value)
    {
        if (View.TryGetInMemory(key, out byte[]? own))
        {
            value = own;
            return own is not null;
        }

        bool found = _base!.TryGet(key, out ReadOnlySpan<byte> stored);
        value = found ? stored.ToArray() : default;
        return found;
    }

    internal RowCursor OpenCursor() => RowCursor.Over(View.Top.OpenCursor(), View.Frozen?.OpenCursor(), _base?.OpenCursor());

    public void Dispose() => _base?.Dispose();
}
