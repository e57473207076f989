using System.Diagnostics;

using Tidemark.Core.Engines;

namespace Tidemark.Core.State;

/// <summary>A place among the rows of a state, which are spread over up to three layers: the upper layer's row hides the lower one's.</summary>
/// <remarks>Not thread-safe. Where a step answers false the cursor stands nowhere.</remarks>
internal sealed class RowCursor : IDisposable
{
    private readonly Layer[] _layers;   // The uppermost first.
    private Layer? _at;
    private bool _isForward = true;

    private RowCursor(Layer[] layers) => _layers = layers;

    /// <summary>The key the cursor stands at. Valid until it moves.</summary>
    internal ReadOnlySpan<byte> Key => _at!.Key;

    /// <summary>The value the cursor stands at. Valid until it moves.</summary>
    internal ReadOnlySpan<byte> Value => _at!.Value;

    /// <summary>The value in an array of its own, or that of the layer where it never changes.</summary>
    internal ReadOnlyMemory<byte> OwnedValue => _at!.OwnedValue;

    internal static RowCursor Over(OrderedTreeCursor top, OrderedTreeCursor? frozen, IEngineCursor? engine)
    {
        Layer upper = new TreeLayer(top);
        if (engine is null) return new RowCursor([upper]);
        return frozen is null ? new RowCursor([upper, new EngineLayer(engine)]) : new RowCursor([upper, new TreeLayer(frozen), new EngineLayer(engine)]);
    }

    internal bool SeekAtOrAfter(scoped ReadOnlySpan<byte> key)
    {
        foreach (Layer layer in _layers) layer.IsPlaced = layer.SeekAtOrAfter(key);
        _isForward = true;
        return Settle();
    }

    internal bool SeekBefore(scoped ReadOnlySpan<byte> key)
    {
        foreach (Layer layer in _layers) layer.IsPlaced = layer.SeekBefore(key);
        _isForward = false;
        return Settle();
    }

    internal bool MoveNext()
    {
        Debug.Assert(_at is not null, "a cursor that stands nowhere is seeked first");
        if (!_isForward) Turn();
        else Leave();
        return Settle();
    }

    internal bool MovePrevious()
    {
        Debug.Assert(_at is not null, "a cursor that stands nowhere is seeked first");
        if (_isForward) Turn();
        else Leave();
        return Settle();
    }

    public void Dispose()
    {
        foreach (Layer layer in _layers) layer.Dispose();
    }

    /// <summary>Chooses the nearest row in the direction of the walk, past those that were deleted.</summary>
    private bool Settle()
    {
        while (true)
        {
            _at = Nearest();
            if (_at is null) return false;
            if (!_at.IsDeleted) return true;
            Leave();
        }
    }

    /// <summary>The layer that shows the next row: of those with the nearest key the uppermost. Notes which others stand at the same key, hidden by it.</summary>
    private Layer? Nearest()
    {
        if (_layers.Length == 1) return _layers[0].IsPlaced ? _layers[0] : null;
        Layer? nearest = null;
        foreach (Layer layer in _layers)
        {
            layer.IsHidden = false;
            if (!layer.IsPlaced) continue;
            if (nearest is null)
            {
                nearest = layer;
                continue;
            }

            int order = layer.Key.SequenceCompareTo(nearest.Key);
            if (order == 0)
            {
                layer.IsHidden = true;
            }
            else if (_isForward ? order < 0 : order > 0)
            {
                foreach (Layer passed in _layers) passed.IsHidden = false;
                nearest = layer;
            }
        }

        return nearest;
    }

    /// <summary>Moves every layer that stands at the current key on.</summary>
    private void Leave()
    {
        foreach (Layer layer in _layers)
        {
            if (layer == _at || layer.IsHidden) Step(layer);
        }
    }

    private void Step(Layer layer) => layer.IsPlaced = _isForward ? layer.MoveNext() : layer.MovePrevious();

    /// <summary>Changes the direction of the walk: every layer is placed anew on the other side of the current key.</summary>
    private void Turn()
    {
        byte[] key = _at!.Key.ToArray();
        _isForward = !_isForward;
        foreach (Layer layer in _layers)
        {
            layer.IsPlaced = _isForward ? layer.SeekAtOrAfter(key) : layer.SeekBefore(key);
            if (_isForward && layer.IsPlaced && layer.Key.SequenceEqual(key)) layer.IsPlaced = layer.MoveNext();
        }
    }

    private abstract class Layer : IDisposable
    {
        public bool IsPlaced { get; set; }

        public bool IsHidden { get; set; }

        public abstract ReadOnlySpan<byte> Key { get; }

        public abstract ReadOnlySpan<byte> Value { get; }

        public abstract ReadOnlyMemory<byte> OwnedValue { get; }

        public abstract bool IsDeleted { get; }

        public abstract bool SeekAtOrAfter(scoped ReadOnlySpan<byte> key);

        public abstract bool SeekBefore(scoped ReadOnlySpan<byte> key);

        public abstract bool MoveNext();

        public abstract bool MovePrevious();

        public abstract void Dispose();
    }

    private sealed class TreeLayer(OrderedTreeCursor cursor) : Layer
    {
        private readonly OrderedTreeCursor _cursor = cursor;

        public override ReadOnlySpan<byte> Key => _cursor.Key;

        public override ReadOnlySpan<byte> Value => _cursor.Value;

        public override ReadOnlyMemory<byte> OwnedValue => _cursor.Value;

        public override bool IsDeleted => _cursor.Value == StateTable.Deleted;

        public override bool SeekAtOrAfter(scoped ReadOnlySpan<byte> key) => _cursor.SeekAtOrAfter(key);

        public override bool SeekBefore(scoped ReadOnlySpan<byte> key) => _cursor.SeekBefore(key);

        public override bool MoveNext() => _cursor.MoveNext();

        public override bool MovePrevious() => _cursor.MovePrevious();

        public override void Dispose()
        {
        }
    }

    private sealed class EngineLayer(IEngineCursor cursor) : Layer
    {
        public override ReadOnlySpan<byte> Key => cursor.Key;

        public override ReadOnlySpan<byte> Value => cursor.Value;

        public override ReadOnlyMemory<byte> OwnedValue => cursor.Value.ToArray();

        public override bool IsDeleted => false;

        public override bool SeekAtOrAfter(scoped ReadOnlySpan<byte> key) => cursor.SeekAtOrAfter(key);

        public override bool SeekBefore(scoped ReadOnlySpan<byte> key) => cursor.SeekBefore(key);

        public override bool MoveNext() => cursor.MoveNext();

        public override bool MovePrevious() => cursor.MovePrevious();

        public override void Dispose() => cursor.Dispose();
    }
}
