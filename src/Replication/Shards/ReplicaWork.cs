using System.Buffers;
using System.Diagnostics;

using Tidemark.Core.Diagnostics;
using Tidemark.Core.KeyValue;
using Tidemark.Core.Replication;
using Tidemark.Core.State;
using Tidemark.Replication.Wire;
using Tidemark.Storage.Log;
using Tidemark.Storage.Replica;

namespace Tidemark.Replication.Shards;

/// <summary>Carries out what a replica's core orders: on the log, on the state machine, on the wire. It answers whom the core says.</summary>
/// <remarks>Belongs to the host's thread, but for <see cref="Save"/>.</remarks>
internal sealed class ReplicaWork : IDisposable
{
    private const int FrameBytes = FrameHeader.Size;
    private const long TermAlone = 1;

    private readonly ShardHostOptions _options;
    private readonly ReplicaOptions? _replica;
    private readonly ShardHost _host;
    private readonly StateTransfer? _transfer;
    private readonly Queue<Proposal> _underWay = new();   // In the log, not yet answered.
    private readonly Queue<LogRecord> _unplaced = new();  // The core has them, and the log has no room yet.
    private readonly Reads _reads = new();
    private readonly LeaderWatch? _watch;
    private readonly StateMarks _marks;
    private readonly List<Effect> _effects = [];
    private readonly ArrayBufferWriter<byte> _answer = new();
    private EntryTail? _tail;
    private IReadOnlyList<LogRecord> _came = [];   // With the message that is being handled.
    private DateTimeOffset _tickAt;
    private long _copiedTo;                        // Where entries are copied, all before it were.
    private (long Term, bool IsLost)? _toSave;
    private (long Term, bool IsLost) _saving;
    private DateTimeOffset _saveAt;                // Not before: there was no room.

    internal ReplicaWork(ShardHostOptions options, ShardHost host)
    {
        (_options, _host, _replica) = (options, host, options.Replica);
        State = options.State;
        State.RequireFit(options.Name);
        _marks = new StateMarks(State, _replica?.MarkInterval);
        if (_replica is null)
        {
            Replay();
            _marks.Started();
            Core = ReplicaCore.Alone(State.Log.NextOffset);   // Marks at the end are no part of the state.
            Leader = options.CreateLeader(State, options.TimeProvider.GetUtcNow());
        }
        else
        {
            ReplicaRecord record = _replica.Disk.Record;
            if (Planted.Is(PlantedBug.AppliesUncommittedAtStart)) Replay();
            long term = record.IsLost ? Math.Max(record.Term, _replica.StatusTerm) : record.Term;
            Core = new ReplicaCore(new ReplicaStart(_replica.Node, _replica.Run, term, record.IsLost, _replica.Terms, State.Machine.Position.Offset + 1), _replica.Limits);
            _tail = new EntryTail(State.Log, options.Pool, _replica.TailBytes);
            _transfer = new StateTransfer(options, _replica);
            _watch = new LeaderWatch(options.TimeProvider, _replica.Patience, 20 * _replica.Heartbeat);
            options.Clock.Adopt(State.Machine.Position.Timestamp);
        }

        options.Publish();
    }

    internal ShardState State { get; private set; }

    internal ReplicaCore Core { get; }

    /// <summary>The leader's part of the machine, where this leads and serves.</summary>
    internal ILeaderRole? Leader { get; private set; }

    /// <summary>Whether it takes commands and reads.</summary>
    internal bool TakesCommands => Core.IsServing && Core.IsFit && _watch is null or { IsCutOff: false, Heir: ShardStatus.Nobody };

    /// <summary>How many bytes of entries were applied since the state was remembered last.</summary>
    internal long LogBytes { get; private set; }

    /// <summary>Whether a generation was begun since, so that what the log leads to is to be remembered however little it is.</summary>
    internal bool IsCutToRemember { get; private set; }

    /// <summary>When there will be something to do if nothing else happens, in UTC ticks.</summary>
    internal long NextDue
    {
        get
        {
            long due = TakesCommands && _marks.IsWanted(Leader) ? _marks.WantedAt.UtcTicks : Leader?.NextDue ?? long.MaxValue;
            if (_toSave is not null) due = Math.Min(due, _saveAt.UtcTicks);
            return _replica is null || (Core.Role != ReplicaRole.Leader && !_transfer!.IsFetching) ? due : Math.Min(due, _tickAt.UtcTicks);
        }
    }

    /// <summary>The first offset of the log that must not be trimmed.</summary>
    internal long NeededFrom => Math.Min(
        Math.Min(State.Keeper.NeededFrom, Core.Applied), Math.Min(Math.Min(_transfer?.NeededFrom ?? long.MaxValue, HeldFrom), Math.Min(KeptFrom ?? long.MaxValue, UncutFrom)));

    /// <summary>Whether a generation was begun since this was asked last, so that some of the log may be needed no more.</summary>
    internal bool TakeCut() => _marks.TakeCut();

    /// <summary>Whether the log is kept for its readers, and the state behind a beginning that they may need no more is remembered.</summary>
    internal bool IsTrimmable => KeptFrom is not null && State.Keeper.NeededFrom > Log.Start;

    /// <summary>The first offset of the log that is kept for its readers; null where it is but the way to the state.</summary>
    private long? KeptFrom => (State.Machine as IKeepsLog)?.LogStart;

    /// <summary>What waits to be copied, unless that is too much.</summary>
    private long HeldFrom => _options.MostHeldBytes is { } most && Log.BytesFrom(_copiedTo) <= most ? _copiedTo : long.MaxValue;

    private long UncutFrom => (State.Machine as ICutsLog)?.UncutFrom ?? long.MaxValue;

    private LogEngine Log => State.Log;

    /// <summary>A message came.</summary>
    internal void Take(int from, in ShardMessage message, DateTimeOffset now)
    {
        if (_host.Failure is not null) return;
        switch (message.Message)
        {
            case StateRequest request:
                if (Core.Role == ReplicaRole.Leader && request.Term == Core.Term) _transfer!.Answer(from, request, now);
                break;
            case StatePart part:
                TakePart(from, part, message.Bytes, now);
                break;
            default:
                _came = message.Entries;
                _effects.Clear();
                Core.Step(from, message.Message, _effects);
                CarryOut(now);
                _came = [];
                break;
        }
    }

    /// <summary>Looks whether the clock may stamp entries: of a replica that stands alone there is nothing to compare it with.</summary>
    internal void LookAtClock()
    {
        if (_replica is not null) Core.IsFit = _replica.IsClockFit();
    }

    /// <summary>Says again what was not answered, where it is time.</summary>
    internal void Tick(DateTimeOffset now)
    {
        if (_replica is null || now < _tickAt) return;
        _tickAt = now + _replica.Heartbeat;
        if (Core.Role == ReplicaRole.Leader && _host.Failure is not null)
        {
            Resign(ShardStatus.Nobody);
            return;
        }

        _transfer!.Tick(Core.Term, now);
        if (Core.Role != ReplicaRole.Leader) return;
        _effects.Clear();
        Core.Tick(_effects);
        _watch!.BeginRound(Core.Rounds.Begun);
        CarryOut(now);
        if (_watch.HasLostMajority(Core.Rounds.Answered))
            EndWaiting(new OutcomeUnknownException($"Node {Core.Node} leads shard {_options.ShardId} and no longer hears of a majority. The write may happen yet, or not."));
        if (_watch.IsCutOff || !Core.IsFit) Resign(ShardStatus.Nobody);
        if (_watch.HeirNow() is var heir && Core.HasAll(heir)) Resign(heir);
    }

    /// <summary>Whether a mark is to be placed now.</summary>
    internal bool TakeMarkDue(DateTimeOffset now) => TakesCommands && _marks.TakeDue(Leader, Core, now);

    /// <inheritdoc cref="StateMarks.Ended"/>
    internal void MarkEnded(bool isApplied, DateTimeOffset now) => _marks.Ended(isApplied, now);

    /// <inheritdoc cref="StateMarks.Inform"/>
    internal void Inform(ILeaderRole leader) => _marks.Inform(leader, Core, State.Keeper.StateBytes);

    /// <summary>A read waits for the leader to know that it still leads.</summary>
    /// <param name="done">Told when the state may be read, or why not.</param>
    /// <param name="staleness">How long before the read began the leader may last have known; zero for not at all.</param>
    /// <param name="began">When the read began, on the stopwatch.</param>
    internal void Read(ReadDone done, TimeSpan staleness, long began)
    {
        StatePosition at = State.Machine.Position;
        if (!TakesCommands) done(WhyNot(), default);
        else if (staleness > TimeSpan.Zero && _watch is { } watch && watch.IsFresh(began, staleness)) done(null, at);
        else _reads.Add(Core.Read(), at, done);
    }

    /// <summary>Places a command at the end of the log.</summary>
    /// <returns>Whether it has its place. Where it has none and there is no refusal, the log must first make room.</returns>
    internal bool TryPropose(Proposal proposal, DateTimeOffset now, out Exception? refusal)
    {
        refusal = null;
        PlaceAll(now);
        if (_unplaced.Count > 0) return false;
        _effects.Clear();
        if (!Core.Propose(_effects))
        {
            refusal = WhyNot();
            return false;
        }

        long offset = _effects[0].From;
        try
        {
            (ushort kind, ReadOnlyMemory<byte> payload) = (proposal.Kind, proposal.Payload.WrittenMemory);
            Leader?.Admit(offset, ref kind, ref payload);
            HybridTimestamp timestamp = Planted.Is(PlantedBug.WallClockTimestamps) ? HybridTimestamp.FromDateTimeOffset(_options.TimeProvider.GetUtcNow()) : _options.Clock.Now();
            long term = _replica is null ? TermAlone : Core.Term;
            var record = new LogRecord(offset, term, timestamp, kind, payload);
            if (TryAppend(record, now))
            {
                proposal.Entry = (kind, payload);
                proposal.Position = new StatePosition(term, offset, timestamp);
                _tail?.Add(record with { Payload = payload.ToArray() });
                _underWay.Enqueue(proposal);
                return true;
            }
        }
        catch (Exception e)
        {
            refusal = e;   // Whatever it is, it is the answer to this command: it has no place in the log.
        }

        Leader?.Withdraw(offset);
        Core.Withdraw(offset);
        return false;
    }

    /// <summary>No more comes for now.</summary>
    internal void EndTurn(DateTimeOffset now)
    {
        if (_host.Failure is not null) return;
        PlaceAll(now);
        _effects.Clear();
        Core.EndTurn(_effects);
        CarryOut(now);
    }

    /// <summary>What the log has flushed is durable.</summary>
    internal void Flushed(DateTimeOffset now)
    {
        long started = _options.TimeProvider.GetTimestamp();
        long before = Core.Applied;
        _effects.Clear();
        Core.Flushed(Log.Flushed.Offset, _effects);
        CarryOut(now);
        if (_replica is not null)
        {
            PlaceAll(now);
            EndTurn(now);   // Acknowledgements, and what followers may know now.
            _tail!.Forget(Math.Min(Core.Applied, Log.Flushed.Offset));
        }

        ShardMetrics.Applied(Core.Applied - before, _options.TimeProvider.GetElapsedTime(started));
    }

    /// <summary>The disk is full: what has no place in the log is given back, so that it can be sent again.</summary>
    internal void HasNoRoom(DateTimeOffset now)
    {
        if (_unplaced.Count == 0) return;
        if (Core.Role == ReplicaRole.Leader)
        {
            Resign(ShardStatus.Nobody);
            return;
        }

        _unplaced.Clear();
        Core.Withdraw(Log.NextOffset);
        _tail!.Truncate(Log.NextOffset);
        _effects.Clear();
        Core.Flushed(Log.Flushed.Offset, _effects);
        CarryOut(now);
    }

    /// <summary>Whether the replica file has to be written.</summary>
    internal bool IsSaveDue(DateTimeOffset now) => _toSave is not null && now >= _saveAt;

    internal bool BeginSave(DateTimeOffset now)
    {
        if (!IsSaveDue(now)) return false;
        (_saving, _toSave) = (_toSave!.Value, null);
        return true;
    }

    /// <summary>Disk: writes what was begun to be saved.</summary>
    internal void Save() => _replica!.Disk.Save(_saving.Term, _saving.IsLost);

    /// <summary>There was no room, and nothing was changed: in a while, there may be.</summary>
    internal void SaveLater(DateTimeOffset now)
    {
        _toSave ??= _saving;
        _saveAt = now + _replica!.Heartbeat;
    }

    internal void Saved(DateTimeOffset now)
    {
        _effects.Clear();
        Core.Saved(_saving.Term, _saving.IsLost, _effects);
        CarryOut(now);
    }

    /// <summary>The state is being remembered as it is now.</summary>
    internal void Remembering() => (LogBytes, IsCutToRemember) = (0, false);

    /// <summary>The log begins later than before.</summary>
    internal void Trimmed()
    {
        if (_replica is null) return;
        Core.Trimmed(Log.Start);
        _tail!.Trimmed();
    }

    /// <summary>All before an entry was copied.</summary>
    internal void Copied(long before) => _copiedTo = before;

    /// <summary>A node is to lead in this one's place, once it has everything.</summary>
    internal void HandOverTo(int heir)
    {
        if (Core.Follows(heir)) _watch!.HandOverTo(heir);
    }

    /// <summary>Why it takes no commands and reads.</summary>
    internal ShardUnavailableException WhyNot() => Unavailable(
        !Core.IsServing ? Core.Role == ReplicaRole.Follower ? $"node {Core.Leader} leads shard {_options.ShardId}" : $"shard {_options.ShardId} has no leader here"
        : !Core.IsFit ? $"the clock of node {Core.Node}, which leads shard {_options.ShardId}, differs from most others"
        : _watch is { IsCutOff: true } ? $"shard {_options.ShardId} is led here, without a majority"
        : $"shard {_options.ShardId} is being handed over to node {_watch?.Heir}");

    /// <summary>It does not lead any more.</summary>
    internal void Abandon(Exception cause)
    {
        EndWaiting(cause);
        Leader = null;
        _marks.Abandon();
    }

    public void Dispose()
    {
        _transfer?.Dispose();
        try
        {
            lock (Log.Gate) Log.Close();
        }
        finally
        {
            State.Keeper.Dispose();
        }
    }

    private ShardUnavailableException Unavailable(string why)
    {
        int leader = _watch is { Heir: not ShardStatus.Nobody } ? _watch.Heir : Core.Leader;   // Another than this, or nobody.
        return new ShardUnavailableException(_options.ShardId, $"{char.ToUpperInvariant(why[0])}{why[1..]}.", leader == Core.Node ? ShardStatus.Nobody : leader);
    }

    /// <summary>Applies what the log has and the state has not: all of it is committed where there is one replica.</summary>
    private void Replay()
    {
        foreach (LogRecord record in LogReplay.Read(Log, _options.Pool, State.Machine.Position.Offset + 1)) ApplyToMachine(record, Discarded());
        _options.Clock.Adopt(State.Machine.Position.Timestamp);
    }

    private ArrayBufferWriter<byte> Discarded()
    {
        _answer.ResetWrittenCount();
        return _answer;
    }

    private void ApplyToMachine(in LogRecord record, ArrayBufferWriter<byte> answer)
    {
        int bytes = FrameBytes + record.Payload.Length;
        LogBytes += bytes;
        _marks.Count(bytes);
        var position = new StatePosition(record.Term, record.Offset, record.Timestamp);
        if (EntryKinds.IsMark(record.Kind)) _marks.Add(position, State.Machine.Hash);
        else State.Machine.Apply(new StateEntry(position, record.Kind, record.Payload), answer);
        _options.Applied?.Invoke(record);
    }

    private bool TryAppend(in LogRecord record, DateTimeOffset now)
    {
        var entry = new LogEntry(record.Payload) { Kind = record.Kind, Term = record.Term, Timestamp = record.Timestamp };
        long offset;
        lock (Log.Gate)
        {
            if (!Log.TryAppend([entry], now, out offset)) return false;
        }

        Debug.Assert(offset == record.Offset, "core and log agree on offsets");
        return true;
    }

    private void Place(in LogRecord record)
    {
        _options.Clock.Adopt(record.Timestamp);
        _tail!.Add(record);
        _unplaced.Enqueue(record);
        if (Planted.Is(PlantedBug.EndLogBeforeFlush) && record.Offset == Core.Applied && State.Machine is KvMachine && record.Kind == (ushort)KvCommand.EndLog) ApplyToMachine(record, Discarded());
    }

    /// <summary>Appends what the core has and the log has not, as far as there is room.</summary>
    private void PlaceAll(DateTimeOffset now)
    {
        try
        {
            while (_unplaced.TryPeek(out LogRecord record) && TryAppend(record, now)) _unplaced.Dequeue();
        }
        catch (Exception e)
        {
            _host.Fail(e);   // Others have it, and this log does not take it.
        }
    }

    private void CarryOut(DateTimeOffset now)
    {
        for (int i = 0; i < _effects.Count; i++)
        {
            if (_host.Failure is not null) return;
            CarryOut(_effects[i], now);
        }
    }

    private void CarryOut(in Effect effect, DateTimeOffset now)
    {
        switch (effect.Kind)
        {
            case EffectKind.Persist:
                foreach (LogRecord record in _came)
                {
                    if (record.Offset >= effect.From && record.Offset < effect.To) Place(record);
                }

                PlaceAll(now);
                break;
            case EffectKind.BeginTerm:
                Place(new LogRecord(effect.From, Core.Term, _options.Clock.Now(), EntryKinds.BeginTerm, default));
                PlaceAll(now);
                _tickAt = now;
                _marks.BeginTerm(now);
                _watch!.Begin();
                break;
            case EffectKind.Flush or EffectKind.Commit:
                break;   // A durable log flushes what it has; followers hear of a commit with the next message.
            case EffectKind.Save:
                _toSave = (Core.Term, Core.IsLost);
                break;
            case EffectKind.Truncate:
                Truncate(effect.From);
                break;
            case EffectKind.Fetch:
                _transfer!.Fetch(effect.Node, (Install)effect.Message!, now);
                break;
            case EffectKind.Replace:
                Replace();
                break;
            case EffectKind.Send:
                Send(effect, now);
                break;
            case EffectKind.Apply:
                Apply(effect);
                break;
            case EffectKind.Answer:
                Answer(effect, now);
                break;
            case EffectKind.AnswerReads:
                _reads.Answer(effect.To);
                break;
            case EffectKind.Serve:
                Leader = _options.CreateLeader(State, now);
                ShardMessages.Serving(_options.Logger, _options.ShardId, Core.Term);
                break;
            case EffectKind.Abandon:
                Abandon(new OutcomeUnknownException($"Another node was made leader of shard {_options.ShardId} while the write was under way. Whether it happened shows there."));
                break;
            case EffectKind.Stop:
                _host.Fail(new StoreFailedException($"Shard {_options.ShardId} was told to cut entries that are applied. This replica, or its leader, is wrong: it stops and deletes nothing."));
                break;
            case EffectKind.Quarantine:
                Quarantine(effect.From);
                break;
            case EffectKind.StopDivided:
                _host.Fail(new StoreFailedException($"The replicas of shard {_options.ShardId} have different states behind entry {effect.From}, and no majority has the same. The shard stops; nothing was deleted."));
                break;
            default:
                throw new UnreachableException($"no rule for {effect.Kind}");
        }
    }

    private void Apply(in Effect effect)
    {
        long next = effect.From;
        long own = _underWay.TryPeek(out Proposal? first) ? Math.Min(first.Position.Offset, effect.To) : effect.To;   // From there on all are proposed here.
        try
        {
            while (next < own)
            {
                foreach (LogRecord record in _tail!.Read(-1, next, own, _replica!.MessageBytes))
                {
                    ApplyToMachine(record, Discarded());
                    Mark(record.Kind, next++);
                }
            }

            foreach (Proposal proposal in _underWay)
            {
                if (next == effect.To) break;
                StatePosition position = proposal.Position;
                Debug.Assert(position.Offset == next, "who leads proposes all there is");
                (ushort kind, ReadOnlyMemory<byte> payload) = proposal.Entry;
                ApplyToMachine(new LogRecord(position.Offset, position.Term, position.Timestamp, kind, payload), proposal.Answer);
                Mark(kind, next++);
            }
        }
        catch (Exception e)
        {
            _host.Fail(e);   // A state that an entry did not get through is not to be shown or built upon.
            return;
        }

        _options.Publish();
        LookAtCuts();
    }

    private void Mark(ushort kind, long offset)
    {
        if (EntryKinds.IsMark(kind)) Core.Marked(offset, State.Machine.Hash, _effects);
    }

    /// <summary>Generations may have begun: they are compared with what the state was here.</summary>
    private void LookAtCuts()
    {
        if (!_marks.TryTakeBegun(State.Machine, out Generation newest, out (Generation Begun, StateHash Own)? stray)) return;
        if (stray is var (begun, own))
        {
            long mark = begun.Base.Offset;
            if (_replica is not null) Quarantine(mark);
            else _host.Fail(new StoreFailedException($"The state of shard {_options.ShardId} behind entry {mark} was {own}, and the log was cut there with {begun.Hash}. The shard stops; nothing was deleted."));
            return;
        }

        IsCutToRemember = true;
        ShardMetrics.Cut();
        ShardMessages.Cut(_options.Logger, _options.ShardId, newest.Number, newest.Base.Offset);
    }

    /// <summary>The state is another than that of a majority. It is given up once; if what they gave in its place is another again, something is wrong that no copy mends.</summary>
    private void Quarantine(long mark)
    {
        string what = $"The state of shard {_options.ShardId} on node {Core.Node} behind entry {mark} is another than that of most replicas";
        if (_replica!.Disk.Record.Quarantines > 0)
        {
            _host.Fail(new StoreFailedException($"{what}, and it was so before. Nothing was deleted. Look for a state machine that is not deterministic, or for bad memory; then remove the replica's directory, and it is copied from the others."));
            return;
        }

        try
        {
            _replica.Disk.Quarantine();
            _host.Fail(new StoreFailedException($"{what}. It is given up; at the next start it is copied from the others."));
        }
        catch (Exception e)
        {
            _host.Fail(e);
        }
    }

    private void Answer(in Effect effect, DateTimeOffset now)
    {
        while (_underWay.TryPeek(out Proposal? proposal) && proposal.Position.Offset < effect.To) _host.End(_underWay.Dequeue(), null, now);
    }

    private void Send(in Effect effect, DateTimeOffset now)
    {
        long shard = _options.ShardId;
        switch (effect.Message)
        {
            case null:
                break;
            case Append append when append.Entries.Count > 0:
                SendEntries(effect.Node, append, effect.From, effect.To);
                break;
            case Install install:
                _replica!.Send(effect.Node, new ShardMessage(shard, _transfer!.Offer(effect.Node, install, State.Keeper, now)));
                break;
            default:
                _replica!.Send(effect.Node, new ShardMessage(shard, effect.Message));
                break;
        }
    }

    /// <summary>Sends entries in as many messages as their bytes need.</summary>
    private void SendEntries(int node, Append append, long from, long to)
    {
        LogHead before = append.Before;
        for (long next = from; next < to;)
        {
            List<LogRecord> entries;
            try
            {
                entries = _tail!.Read(node, next, to, _replica!.MessageBytes);
            }
            catch (Exception e) when (e is IOException or CorruptDataException or OffsetOutOfRangeException)
            {
                _host.Fail(e);   // What was flushed cannot be read: this disk is not to be trusted with a term.
                return;
            }

            next += entries.Count;
            var part = new Append(append.Term, before, Core.Log.Slice(next - entries.Count, next), append.Commit, append.Round);
            _replica!.Send(node, new ShardMessage(_options.ShardId, part, entries, default));
            before = new LogHead(entries[^1].Term, entries[^1].Offset);
        }
    }

    private void Truncate(long end)
    {
        Debug.Assert(_unplaced.Count == 0, "all is durable where something is cut");
        try
        {
            lock (Log.Gate) Log.TruncateAfter(end - 1);
            _tail!.Truncate(end);
        }
        catch (Exception e)
        {
            _host.Fail(e);
        }
    }

    private void TakePart(int from, StatePart part, ReadOnlyMemory<byte> bytes, DateTimeOffset now)
    {
        try
        {
            if (part.Term != Core.Term || _transfer!.Take(from, part, bytes.Span, now) is not { } install) return;
            _effects.Clear();
            Core.Fetched(from, install, _effects);
            CarryOut(now);
            _transfer.Drop();   // Meanwhile it may have become of no use.
        }
        catch (IOException e)
        {
            _host.Fail(e);
        }
    }

    private void Replace()
    {
        try
        {
            _host.WaitForJob();
            _replica!.Disk.Switch();
            ShardState old = State, next = _transfer!.TakeState();
            State = next;
            _replica.Replaced?.Invoke(next);
            _tail = new EntryTail(next.Log, _options.Pool, _replica.TailBytes);
            _unplaced.Clear();
            Remembering();
            _marks.Follow(next);
            _options.Clock.Adopt(next.Machine.Position.Timestamp);
            _options.Publish();
            lock (old.Log.Gate) old.Log.Close();
            old.Keeper.Dispose();
            _replica.Disk.RemovePrevious();
        }
        catch (Exception e)
        {
            _host.Fail(e);
        }
    }

    /// <summary>What is under way ends, and what waits to be read is refused.</summary>
    private void EndWaiting(Exception cause)
    {
        while (_underWay.TryDequeue(out Proposal? proposal)) _host.End(proposal, cause, default);
        _reads.Refuse(Unavailable($"shard {_options.ShardId} is no longer led here"));
    }

    private void Resign(int heir) => _replica!.Tell(new ShardMessage(_options.ShardId, new Resign(Core.Term, heir)));
}
