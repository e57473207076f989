using System.Diagnostics;

using Tidemark.Core.Hashing;

namespace Tidemark.Core.Rebase;

/// <summary>Decides when a local store asks its server, and for what: the same events in the same order give the same effects.</summary>
/// <remarks>
/// Not thread-safe; time is an argument, chance a seed. At most one pull and one push are under way. What the server says of a push moves nothing but the place where the next one begins: only the cursor in a pulled state takes
/// mutations off the timeline. Rules: docs/rebase.md.
/// </remarks>
/// <param name="machine">The local store's state, as it is applied.</param>
/// <param name="seed">Decides jitter and client ids.</param>
/// <param name="times">How long it waits.</param>
internal sealed class SyncClient(LocalMachine machine, ulong seed, SyncTimes times)
{
    private const int MostMutations = 100;
    private const long MostPushBytes = 1024 * 1024;
    private const long MostIdleEntries = 1_000;   // A position is moved on without a change of what is there only after so many entries.

    private ulong _drawn;
    private bool _isConnected;
    private LocalCommand? _proposed;   // The entry under way that it wrote itself.
    private bool _isCurrent;      // A pull that was sent since it was connected brought all there was.
    private bool _wantsPull;      // Something may have changed since the pull that is under way was sent.
    private bool _pullsFirst;     // What is pushed next shows when a pull was answered.
    private SyncPull? _asked;
    private long _pull, _push;    // The requests under way; 0 for none.
    private (long First, long Last) _pushed;
    private long _upTo;           // The server has taken mutations up to this one, it said.
    private Guid _client;         // Whose numbers these are, and where the timeline began then.
    private long _first;
    private long _answered;       // The pull that was answered last and is not applied yet.
    private long _received;       // Rows, in all answers.
    private bool _wasReset;       // It brought nothing, but that the copy cannot go on.
    private DateTimeOffset _pullAt, _pushAt, _resendAt;
    private int _pullFailures, _pushFailures, _waits;
    private string? _delay, _fault;

    /// <summary>The number of the last request.</summary>
    internal long Requests { get; private set; }

    /// <summary>The last pull that brought all there was when it was answered, which is applied.</summary>
    internal long CaughtUp { get; private set; }

    /// <summary>How many mutations were sent, repetitions too.</summary>
    internal long MutationsSent { get; private set; }

    internal SyncStatus Status
    {
        get
        {
            LocalFields fields = machine.Fields;
            SyncState state = fields.IsEnded ? SyncState.Faulted
                : !_isConnected || _pullFailures > 1 ? SyncState.Offline
                : _isCurrent && fields.Download is null ? SyncState.Live
                : SyncState.CatchingUp;
            string? fault = fields.IsEnded ? "The copy differed from the server's state twice within ten downloads." : _fault;
            long rows = fields.Download?.Content.Rows ?? fields.Content.Rows;
            return new SyncStatus(state, rows, fields.Download is { RowsInAll: > 0 and long all } ? all : rows, _delay, fault) { RowsReceived = _received };
        }
    }

    /// <summary>When there will be something to do if nothing else happens, in UTC ticks.</summary>
    internal long NextDue
    {
        get
        {
            if (!MayAsk) return long.MaxValue;
            long due = _pull == 0 ? _pullAt.UtcTicks : long.MaxValue;
            if (_push == 0 && !_pullsFirst && NextToPush < machine.Fields.Next) due = Math.Min(due, _pushAt.UtcTicks);
            return _push == 0 && machine.Fields.First <= _upTo ? Math.Min(due, _resendAt.UtcTicks) : due;
        }
    }

    private bool MayAsk => _isConnected && _proposed is null && !machine.Fields.IsEnded && machine.Fields.Question == LocalStoreQuestion.None;

    private long NextToPush => Math.Max(machine.Fields.First, _upTo + 1);

    /// <summary>An id for a client that begins now.</summary>
    internal Guid NewClientId(DateTimeOffset now) => ClientIds.Make(HybridTimestamp.FromDateTimeOffset(now), machine.Fields.Timestamp, Draw());

    internal void Step(SyncEvent happened, DateTimeOffset now, List<SyncEffect> effects)
    {
        switch (happened)
        {
            case SyncTicked:
                break;
            case SyncConnected:
                (_isConnected, _pullsFirst, _upTo, _pullAt, _pushAt) = (true, true, 0, now, now);
                break;
            case SyncDisconnected lost:
                (_isConnected, _isCurrent, _wantsPull, _pull, _push, _fault) = (false, false, false, 0, 0, lost.Why);
                break;
            case SyncWanted when _pull == 0 && _proposed != LocalCommand.Answered:
                _pullAt = _pullFailures == 0 ? now : _pullAt;
                break;
            case SyncWanted:
                _wantsPull = true;
                break;
            case SyncPullAnswered answered when answered.Request == _pull:
                _pull = 0;
                TakeAnswer(answered, now, effects);
                break;
            case SyncPushAnswered answered when answered.Request == _push:
                _push = 0;
                TakePushed(answered.Answer, now, effects);
                break;
            case SyncRequestFailed failed when failed.Request == _pull:
                (_pull, _fault) = (0, failed.Why);
                _pullAt = now + Pause(++_pullFailures);
                break;
            case SyncRequestFailed failed when failed.Request == _push:
                (_push, _fault) = (0, failed.Why);
                _pushAt = now + Pause(++_pushFailures);
                break;
            case SyncProposalEnded ended:
                EndProposal(ended.IsApplied, now);
                break;
            case SyncPullAnswered or SyncPushAnswered or SyncRequestFailed:
                break;   // Of a connection before this one, or twice.
            default:
                throw new UnreachableException($"no rule for {happened.GetType().Name}");
        }

        NoticeNumbers();
        Decide(now, effects);
    }

    /// <summary>Where the timeline was numbered anew, what the server said of the old numbers says nothing.</summary>
    private void NoticeNumbers()
    {
        LocalFields fields = machine.Fields;
        if (fields.Client != _client || fields.First < _first) (_upTo, _push, _pushAt) = (0, 0, default);
        (_client, _first) = (fields.Client, fields.First);
    }

    private void Decide(DateTimeOffset now, List<SyncEffect> effects)
    {
        if (!MayAsk) return;
        if (_pull == 0 && now >= _pullAt)
        {
            (_asked, _pull, _wantsPull) = (machine.Pull(), ++Requests, false);
            effects.Add(new SyncSendPull(_pull, _asked));
        }

        if (_push != 0 || _pullsFirst) return;
        if (machine.Fields.First <= _upTo && now >= _resendAt) _upTo = 0;   // It was taken and is not decided: perhaps it was lost with a leader.
        if (NextToPush >= machine.Fields.Next || now < _pushAt) return;
        if (!machine.Fields.IsPushed)
        {
            Propose(LocalCommand.Pushing, LocalCommands.Pushing(machine.Fields.Client), effects);
            return;
        }

        SyncPush push = Push(NextToPush);
        (_push, _pushed) = (++Requests, (push.Mutations[0].Id, push.Mutations[^1].Id));
        MutationsSent += push.Mutations.Count;
        effects.Add(new SyncSendPush(_push, push));
    }

    private SyncPush Push(long first)
    {
        var mutations = new List<TimelineEntry>();
        long bytes = 0;
        for (long id = first; id < machine.Fields.Next && mutations.Count < MostMutations && bytes < MostPushBytes; id++)
        {
            TimelineEntry mutation = machine.FindMutation(id) ?? throw new UnreachableException($"mutation {id} is in the timeline");
            mutations.Add(mutation);
            bytes += mutation.Arguments.Length;
        }

        return new SyncPush(machine.Fields.Client, machine.Fields.First - 1, machine.LinkAt(first - 1), mutations);
    }

    private void TakeAnswer(SyncPullAnswered answered, DateTimeOffset now, List<SyncEffect> effects)
    {
        (_answered, _wasReset) = (answered.Request, answered.Answer is SyncReset);
        if (answered.Answer is SyncChanges { Rows.Count: var rows }) _received += rows;
        if (IsNothingNew(answered.Answer))
        {
            EndPull(now);
            return;
        }

        var answer = new System.Buffers.ArrayBufferWriter<byte>(1024);
        SyncCodec.Write(answer, answered.Answer);
        Propose(LocalCommand.Answered, LocalCommands.Answered(_asked!, NewClientId(now), answer.WrittenSpan), effects);
    }

    /// <summary>Whether the copy is whole and stays as it is: that need not be written down.</summary>
    private bool IsNothingNew(SyncAnswer answer) =>
        answer is SyncChanges { Rows.Count: 0, Cleared.Count: 0, Bound: null } changes && machine.Fields is { Download: null, Position: { } position }
        && changes.Position.LogId == position.LogId && changes.Position.Content == machine.Fields.Content
        && changes.Position.Offset >= position.Offset && changes.Position.Offset - position.Offset < MostIdleEntries;

    /// <summary>All there was is here.</summary>
    private void EndPull(DateTimeOffset now)
    {
        (_pullFailures, _fault, _pullsFirst) = (0, null, false);
        if (machine.Fields.Download is not null)
        {
            _pullAt = now;
            return;
        }

        (_isCurrent, CaughtUp) = (true, _answered);
        bool isExpecting = machine.Fields.First <= _upTo;
        _waits = isExpecting ? _waits + 1 : 0;
        TimeSpan wait = isExpecting ? Pause(_waits) : times.Poll;
        _pullAt = _wantsPull ? now : now + (wait < times.Poll ? wait : times.Poll);
    }

    private void EndProposal(bool isApplied, DateTimeOffset now)
    {
        LocalCommand? ended = _proposed;
        _proposed = null;
        if (ended != LocalCommand.Answered) return;
        SyncPull next = machine.Pull();
        bool hasMoved = next.Client != _asked!.Client || next.Position != _asked.Position || (next.Bound is null) != (_asked.Bound is null)
            || (next.Bound is { } bound && !bound.AsSpan().SequenceEqual(_asked.Bound));
        if (isApplied && hasMoved && !_wasReset)
        {
            EndPull(now);
            return;
        }

        // It does not lead on, or could not be written down: in a while it may. And a server that says again and again that a copy cannot go on is not asked in a loop.
        _pullAt = now + Pause(++_pullFailures);
        if (!hasMoved && machine.Fields.Question == LocalStoreQuestion.None) _fault = isApplied ? "The server's answer does not lead on from the copy's position." : "The server's answer could not be written.";
    }

    private void TakePushed(SyncPushed answer, DateTimeOffset now, List<SyncEffect> effects)
    {
        long upTo = Math.Clamp(answer.UpTo, _pushed.First - 1, _pushed.Last);
        bool isTaken = upTo >= _pushed.First;
        if (isTaken) (_upTo, _resendAt, _waits) = (Math.Max(_upTo, upTo), now + times.Resend, 0);
        _delay = answer.Refusal == SyncRefusal.Delayed ? answer.Text ?? answer.Refusal.ToString() : null;
        _pushFailures = isTaken ? 0 : _pushFailures + 1;
        _pushAt = _pushFailures == 0 ? now : now + Pause(_pushFailures);
        switch (answer.Refusal)
        {
            case SyncRefusal.None or SyncRefusal.Delayed:
                break;
            case SyncRefusal.Gap or SyncRefusal.OutcomesFull:
                _upTo = answer.Refusal == SyncRefusal.Gap ? 0 : _upTo;
                _pullsFirst = true;
                break;
            default:
                LocalStoreQuestion why = answer.Refusal == SyncRefusal.Forked ? LocalStoreQuestion.Forked : LocalStoreQuestion.ClientUnknown;
                Propose(LocalCommand.Ask, LocalCommands.Ask(machine.Fields.Client, why, NewClientId(now)), effects);
                break;
        }

        if (_pull != 0) _wantsPull = true;
        else if (_pullFailures == 0 && (isTaken || _pullsFirst)) _pullAt = now;
    }

    private void Propose(LocalCommand kind, byte[] payload, List<SyncEffect> effects)
    {
        Debug.Assert(_proposed is null, "one entry after another");
        _proposed = kind;
        effects.Add(new SyncPropose(kind, payload));
    }

    /// <summary>A pause that doubles with each failure, up to the longest, shortened by chance to as little as half.</summary>
    private TimeSpan Pause(int failures)
    {
        long ticks = Math.Min(times.FirstPause.Ticks << Math.Min(failures - 1, 30), times.LongestPause.Ticks);
        return TimeSpan.FromTicks((ticks / 2) + (long)(Draw() % (ulong)((ticks / 2) + 1)));
    }

    private ulong Draw() => MurmurHash3X64.Hash([], seed, ++_drawn).First;
}
