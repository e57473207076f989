using Tidemark.Core.Engines;
using Tidemark.Core.KeyValue;
using Tidemark.Core.State;

namespace Tidemark.Storage.State;

/// <summary>Remembers a state in an engine on disk: what gathers in memory is handed over in large batches, each with the offset it reaches.</summary>
internal sealed class EngineKeeper(KvMachine machine, long flushBytes) : IStateKeeper
{
    private OrderedTreeView? _frozen;
    private long _frozenOffset;

    public long NeededFrom => machine.Table.Engine.AppliedOffset + 1;

    public bool IsBehind => machine.Table.PendingBytes > 4 * flushBytes;

    public StateJob? Begin(long logBytes, bool isClosing)
    {
        if (_frozen is null)
        {
            if (!isClosing && machine.Table.PendingBytes < flushBytes) return null;
            _frozen = machine.Freeze();
            _frozenOffset = machine.Position.Offset;
            if (_frozen is null) return null;
        }

        // A part that could not be written before is tried again.
        OrderedTreeView part = _frozen;
        long offset = _frozenOffset;
        return new StateJob(offset, flushBytes, _ => machine.Table.Engine.Write(new TreeBatch(part), offset));
    }

    public IStateSnapshot TakeOffer() => machine.TakeSnapshot();

    public void End(StateJob job)
    {
        if (job.Failure is not null) return;
        _frozen = null;
        machine.Table.Thaw(machine.Position.Offset);
    }

    public void Dispose()
    {
        machine.Dispose();
        machine.Table.Engine.Dispose();
    }

    /// <summary>A tree's rows as a batch; those marked deleted go.</summary>
    private sealed class TreeBatch(OrderedTreeView tree) : IEngineBatch
    {
        private OrderedTreeCursor _cursor = tree.OpenCursor();
        private bool _isStarted;

        public ReadOnlySpan<byte> Key => _cursor.Key;

        public ReadOnlySpan<byte> Value => IsDelete ? default : _cursor.Value;

        public bool IsDelete => _cursor.Value == StateTable.Deleted;

        public void Reset()
        {
            _cursor = tree.OpenCursor();
            _isStarted = false;
        }

        public bool MoveNext()
        {
            if (_isStarted) return _cursor.MoveNext();
            _isStarted = true;
            return _cursor.SeekFirst();
        }
    }
}
