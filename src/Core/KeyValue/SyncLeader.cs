using Tidemark.Core.Rebase;
using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>What only the leader of a shard that clients sync with does: it runs their mutations, each over the state with all that is ahead of it in the log.</summary>
/// <remarks>
/// Not thread-safe. It keeps what has a place in the log and is not applied yet, and a fork of the state that has it already: entries come to be in the order they were let through, or its leadership has
/// ended and with it all it knows. So no refusal is answered before what it rests on is committed: it takes its place in the log too. Where nothing is under way the fork is made anew, which costs nothing; so the two share their rows.
/// </remarks>
internal sealed class SyncLeader(KvMachine machine, Mutators mutators)
{
    private const int MostAttempts = 3;
    private const int MostOnOneFork = 1_024;   // Then it begins anew, so that it shares its rows with the state again.
    private const int MostFaults = 1_000;

    private readonly Queue<UnderWay> _underWay = new();
    private readonly Dictionary<(Guid Client, long Mutation), int> _faults = [];
    private KvMachine? _fork;
    private int _onFork;

    /// <summary>A command is to have a place in the log: a mutation is run, and what comes of it takes its place.</summary>
    internal void Admit(long offset, ref ushort kind, ref ReadOnlyMemory<byte> payload)
    {
        while (_underWay.TryPeek(out UnderWay oldest) && oldest.Offset <= machine.Position.Offset) _underWay.Dequeue();
        if (_underWay.Count == 0) _fork = null;
        if ((KvCommand)kind == KvCommand.Mutate && MutateCommand.TryRead(payload.Span) is { } asked) (kind, payload) = ((ushort)KvCommand.Decide, Decide(asked));
        var entry = new UnderWay(offset, kind, payload.ToArray());   // The bytes are the caller's again before it is applied.
        _underWay.Enqueue(entry);
        if (_fork is not null) Apply(_fork, entry);
    }

    /// <summary>The command that was admitted last got no place.</summary>
    internal void Withdraw(long offset)
    {
        _fork = null;
        for (int left = _underWay.Count; left > 0; left--)
        {
            UnderWay entry = _underWay.Dequeue();
            if (entry.Offset != offset) _underWay.Enqueue(entry);
        }
    }

    private byte[] Decide(MutateCommand asked)
    {
        KvMachine state = Fork();
        if (state.Settings is not { } settings) return DecideCommand.Refuse(asked, SyncRefusal.Delayed, "The shard has no settings yet.");
        byte[] client = asked.Client.ToByteArray(bigEndian: true);
        switch (state.SyncClients.Judge(client, asked.Mutation.Id))
        {
            case StoreStatus.ClientNotFound:
                return DecideCommand.Refuse(asked, SyncRefusal.ClientUnknown);
            case StoreStatus.SequenceGap:
                return DecideCommand.Refuse(asked, SyncRefusal.Gap);
            case StoreStatus.OutcomeForgotten:
                return DecideCommand.Refuse(asked, SyncRefusal.None);
        }

        TimelineLink before = state.SyncClients.CursorOf(client)?.Link ?? default;
        if (before != asked.Before) return DecideCommand.Refuse(asked, SyncRefusal.Forked);
        if (state.SyncClients.IsFull(client, asked.Floor)) return DecideCommand.Refuse(asked, SyncRefusal.OutcomesFull);
        TimelineLink link = asked.Mutation.LinkAfter(before);
        MutationRun run = asked.Forbidden is { } why
            ? new MutationRun(MutationEnd.Rejected, MutationRun.Nothing, "forbidden", why)
            : MutationRun.Of(mutators, new MutationSource(state, settings.KeyOrder), asked.Client, asked.Mutation);
        if (IsDelayed(asked, run)) return DecideCommand.Refuse(asked, SyncRefusal.Delayed, Shortened(run.Text));
        SyncRejection? rejection = run.End switch
        {
            MutationEnd.Done => null,
            MutationEnd.Rejected => new SyncRejection(asked.Mutation.Id, run.Code!, run.Text),
            _ => new SyncRejection(asked.Mutation.Id, "poison", Shortened(run.Text)),
        };
        byte[] decision = DecideCommand.Write(asked, link, rejection, settings.KeyOrder, rejection is null ? run.Writes : MutationRun.Nothing);
        if (decision.Length <= settings.MaxBatchBytes) return decision;
        return DecideCommand.Write(asked, link, new SyncRejection(asked.Mutation.Id, "limit", nameof(StoreStatus.BatchTooLong)), settings.KeyOrder, MutationRun.Nothing);
    }

    /// <summary>Whether a run may go otherwise later. One that threw is tried a few times.</summary>
    private bool IsDelayed(MutateCommand asked, in MutationRun run)
    {
        if (run.End != MutationEnd.Faulted) return run.End is MutationEnd.NotKnown or MutationEnd.Transient;
        (Guid, long) mutation = (asked.Client, asked.Mutation.Id);
        if (_faults.Count >= MostFaults) _faults.Clear();
        int attempts = _faults[mutation] = _faults.GetValueOrDefault(mutation) + 1;
        if (attempts < MostAttempts) return true;
        _faults.Remove(mutation);
        return false;
    }

    private static string? Shortened(string? text) => text is { Length: > MutationRejectedException.MaxTextLength } ? text[..MutationRejectedException.MaxTextLength] : text;

    /// <summary>The state with all that is under way.</summary>
    private KvMachine Fork()
    {
        if (_fork is not null && _onFork < MostOnOneFork && _fork.Table.IsForkOf(machine.Table)) return _fork;
        _fork = machine.Fork();
        _onFork = 0;
        foreach (UnderWay entry in _underWay) Apply(_fork, entry);
        return _fork;
    }

    /// <summary>Applies an entry to the fork. Its time is not known yet, and nothing that a mutation reads depends on it.</summary>
    private void Apply(KvMachine fork, in UnderWay entry)
    {
        _onFork++;
        fork.Apply(new StateEntry(machine.Position with { Offset = entry.Offset }, entry.Kind, entry.Payload), new System.Buffers.ArrayBufferWriter<byte>());
    }

    private readonly record struct UnderWay(long Offset, ushort Kind, ReadOnlyMemory<byte> Payload);

    /// <summary>The records of a state, for a mutation.</summary>
    private sealed class MutationSource(KvMachine state, KeyOrder order) : IMutationSource
    {
        public KeyOrder Order => order;

        public bool TryGet(ReadOnlySpan<byte> encodedKey, out ReadOnlyMemory<byte> value)
        {
            byte[]? row = state.Table.Find(RowKeys.Record(encodedKey));
            value = row is null ? default : row.AsMemory(new RecordRow(row).ValueAt);
            return row is not null;
        }

        public IEnumerable<KeyValuePair<byte[], ReadOnlyMemory<byte>>> Scan(EncodedKeyRange range, bool isReverse)
        {
            byte[] start = RowKeys.Record(range.Start.Span);
            byte[] end = range.End.IsEmpty ? [(byte)RowTable.Record + 1] : RowKeys.Record(range.End.Span);
            using RowCursor cursor = state.Table.OpenCursor();
            bool found = isReverse ? cursor.SeekBefore(end) : cursor.SeekAtOrAfter(start);
            for (; found && IsWithin(cursor, start, end); found = isReverse ? cursor.MovePrevious() : cursor.MoveNext())
            {
                ReadOnlyMemory<byte> row = cursor.OwnedValue;
                yield return new(cursor.Key[1..].ToArray(), row[new RecordRow(row.Span).ValueAt..]);
            }
        }

        private static bool IsWithin(RowCursor cursor, byte[] start, byte[] end) => cursor.Key.SequenceCompareTo(start) >= 0 && cursor.Key.SequenceCompareTo(end) < 0;
    }
}
