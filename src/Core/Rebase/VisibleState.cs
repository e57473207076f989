using Tidemark.Core.Engines;

namespace Tidemark.Core.Rebase;

/// <summary>The visible state of a local store: the base with the timeline run over it, and over that the calls that are on their way through the log.</summary>
/// <remarks>
/// A fork of the base's tree, which costs the same at any size. When the base has moved it is forked anew and the timeline runs again, once for all entries that were applied together. A mutation that does not
/// go through has no effect, and the others run. The shard's thread alone calls this; others read <see cref="View"/>.
/// </remarks>
internal sealed class VisibleState : IMutationSource
{
    private const int MaxStackBytes = 512;

    private readonly LocalMachine _machine;
    private readonly Mutators _mutators;
    private readonly OrderedTree _tree = new();
    private readonly Queue<UnderWay> _underWay = new();
    private Dictionary<long, MutationRun> _troubles = [];
    private OrderedTreeView _shown;
    private byte _records;
    private long _rebases = -1;
    private LocalView _view;

    internal VisibleState(LocalMachine machine, Mutators mutators)
    {
        (_machine, _mutators) = (machine, mutators);
        _shown = _tree.View();
        _view = Publish();
    }

    public KeyOrder Order => _machine.Fields.Order!;

    /// <summary>What readers see, of any thread.</summary>
    internal LocalView View => Volatile.Read(ref _view);

    /// <summary>How many mutations were run again because the base moved.</summary>
    internal long Reruns { get; private set; }

    /// <summary>Runs a mutation that is to have a place in the log, over all that is ahead of it there.</summary>
    internal MutationRun Call(long offset, TimelineEntry mutation)
    {
        MutationRun run = Run(mutation with { Id = _machine.Fields.Next + _underWay.Count });
        if (run.End == MutationEnd.Done) _underWay.Enqueue(new UnderWay(offset, mutation, _tree.View(), run));
        return run;
    }

    /// <summary>The mutation that was called last got no place in the log.</summary>
    internal void Withdraw(long offset)
    {
        int count = _underWay.Count;
        for (int i = 0; i < count; i++)
        {
            UnderWay call = _underWay.Dequeue();
            if (call.Offset != offset) _underWay.Enqueue(call);
        }

        if (_underWay.Count < count) _tree.Restore(_underWay.Count > 0 ? _underWay.Last().After : _shown);
    }

    /// <summary>Entries were applied: shows what they made of the state.</summary>
    internal LocalView Publish()
    {
        OrderedTreeView rows = _machine.Publish();
        Dictionary<long, MutationRun>? troubles = null;
        long next = _machine.Fields.Next - CountApplied();
        while (_underWay.TryPeek(out UnderWay call) && call.Offset <= _machine.Position.Offset)
        {
            _shown = call.After;
            if (call.Run.End != MutationEnd.Done) (troubles ??= new(_troubles))[next] = call.Run;
            next++;
            _underWay.Dequeue();
        }

        if (troubles is not null) _troubles = troubles;
        if (_rebases != _machine.Rebases) Rebase(rows);
        var view = new LocalView(rows, _shown, _machine.Fields, _machine.Position.Offset, _troubles);
        Volatile.Write(ref _view, view);
        return view;
    }

    bool IMutationSource.TryGet(ReadOnlySpan<byte> encodedKey, out ReadOnlyMemory<byte> value)
    {
        Span<byte> rowKey = encodedKey.Length < MaxStackBytes ? stackalloc byte[MaxStackBytes] : new byte[1 + encodedKey.Length];
        rowKey[0] = _records;
        encodedKey.CopyTo(rowKey[1..]);
        bool isThere = _tree.TryGet(rowKey[..(1 + encodedKey.Length)], out byte[]? row);
        value = isThere ? row.AsMemory(LocalRows.NumberBytes) : default;
        return isThere;
    }

    IEnumerable<KeyValuePair<byte[], ReadOnlyMemory<byte>>> IMutationSource.Scan(EncodedKeyRange range, bool isReverse) => RecordRows.Scan(_tree.OpenCursor(), _records, range, isReverse);

    private int CountApplied() => _underWay.Count(call => call.Offset <= _machine.Position.Offset);

    private void Rebase(OrderedTreeView rows)
    {
        _rebases = _machine.Rebases;
        _records = LocalRows.Records(_machine.Fields.Tables);
        _tree.Restore(rows);
        _troubles = [];
        OrderedTreeCursor cursor = rows.OpenCursor();
        for (bool found = cursor.SeekAtOrAfter([LocalRows.TimelineTable]); found && cursor.Key[0] == LocalRows.TimelineTable; found = cursor.MoveNext())
        {
            TimelineEntry mutation = LocalRows.ReadTimeline(cursor.Value).Mutation;
            MutationRun run = Run(mutation);
            Reruns++;
            if (run.End != MutationEnd.Done) _troubles[mutation.Id] = run;
        }

        _shown = _tree.View();
        int left = _underWay.Count;
        for (int i = 0; i < left; i++)
        {
            UnderWay call = _underWay.Dequeue();
            MutationRun run = Run(call.Mutation with { Id = _machine.Fields.Next + i });
            _underWay.Enqueue(call with { After = _tree.View(), Run = run });
        }
    }

    private MutationRun Run(TimelineEntry mutation)
    {
        var run = MutationRun.Of(_mutators, this, _machine.Fields.Client, mutation);
        foreach ((byte[] key, byte[]? value) in run.Writes)
        {
            byte[] rowKey = [_records, .. key];
            if (value is null) _tree.Remove(rowKey);
            else _tree.Set(rowKey, LocalRows.Numbered(0, value));
        }

        return run;
    }

    /// <summary>A call that has its place in the log and is not applied yet, and the visible state behind it.</summary>
    private readonly record struct UnderWay(long Offset, TimelineEntry Mutation, OrderedTreeView After, MutationRun Run);
}
