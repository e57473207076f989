using Tidemark.Core.Replication;

namespace Tidemark.Tests.Replication;

/// <summary>Steps, the last first.</summary>
internal sealed record Trail(Trail? Before, string Step);

/// <summary>A law does not hold in a state that can be reached.</summary>
internal sealed class LawBrokenException(string message) : Exception(message)
{
    /// <summary>The last steps, where they were asked for.</summary>
    internal Trail? Trail { get; set; }
}

/// <summary>Takes states apart, and finds all that may come next. A state is a row of numbers: those of its parts, then those of all messages that were ever sent, in order.</summary>
/// <remarks>
/// A message that was sent stays: it may be delivered any number of times, at any time, or never. So a state with more messages can do all that the same state with fewer can.
/// Not thread-safe: each thread has one, and what it has looked up once it finds without asking the others.
/// </remarks>
internal sealed class ExploredStates(ExploredParts parts)
{
    private const int FirstElection = 4, Status = 6, Calls = 7, Leaders = 10, Committed = 11, Values = 12, Waits = 13, Changes = 14, Header = 15;

    private readonly ExploredScope _scope = parts.Scope;
    private readonly OutcomeTable _outcomes = new();
    private readonly int[] _state = new int[4096];
    private int _length;
    private int _changed;        // Which nodes and elections are others now, by bits.
    private int[] _receivers = [];
    private readonly Stack<(int[] State, Trail Trail)> _unseen = [];
    private readonly HashSet<UInt128> _reached = [];
    private bool _isSeen;        // Whether something new was sent.

    /// <summary>Whether to tell the steps that lead to what is found.</summary>
    internal bool IsTracing { get; init; }

    internal delegate void Found(Trail? trail, ReadOnlySpan<int> next);

    /// <summary>A leader of the first term, which all follow: what a schedule without faults comes to.</summary>
    internal int[] First()
    {
        Array.Clear(_state);
        for (int node = 0; node < _scope.Nodes; node++) _state[node] = parts.Add(ExploredNode.First(node));
        for (int at = 0; at < _scope.Elections; at++) _state[FirstElection + at] = parts.Add(new ElectionCore($"e{at}", new ElectionLimits(Grace: 0, Patience: 1)));
        _state[Status] = parts.Add(new ExploredStatus(new ShardStatus(0, ShardStatus.Nobody, _scope.Ensemble, null, "first"), 0));
        _state[Committed] = parts.Add([]);
        _length = Header;
        for (int turn = 0; turn < 8; turn++)
        {
            while (DoCalm())
            {
                if (_scope.IsReduced) Settle();
            }

            if (Enumerable.Range(0, _scope.Nodes).Any(node => parts.Nodes[_state[node]].Core.IsServing))
            {
                _state[Waits] = 0;
                return _state.AsSpan(0, _length).ToArray();
            }

            Do(new ExploredStep(ExploredKind.Wait, 0));
        }

        throw new InvalidOperationException("no leader");
    }

    /// <summary>Does what there is to do where nothing fails and no time passes: so followers have not heard yet what is committed.</summary>
    private bool DoCalm()
    {
        for (int at = 0; at < _scope.Nodes; at++)
        {
            ExploredNode node = parts.Nodes[_state[at]];
            if (node.IsBusy) return Do(new ExploredStep(node.Saving is not null ? ExploredKind.Save : ExploredKind.Flush, at));
        }

        if (_state[Calls] > 0 && IsAnswered(_state[Calls])) return Do(new ExploredStep(ExploredKind.AnswerStore, (_state[Calls] - 1) & 1, Calls));
        for (int i = Header; i < _length; i++)
        {
            if (Do(new ExploredStep(ExploredKind.Deliver, ReceiverOf(_state[i]), _state[i]))) return true;
        }

        return false;
    }

    /// <summary>What tells the parts of this state from those of any other.</summary>
    internal static UInt128 Fingerprint(ReadOnlySpan<int> state) => ExploredParts.Hash(state[..Header]);

    internal static ReadOnlySpan<int> MessagesOf(ReadOnlySpan<int> state) => state[Header..];

    /// <summary>All that may come next.</summary>
    /// <remarks>
    /// A step that nobody else can see, since it changes the node or the election alone and sends nothing new, is taken together with the next one there that somebody can see. Whatever others do in between
    /// they can do before as well, and what was sent stays: so this order leads to the same. A crash is such a step, and so is an answer to an election that has too few.
    /// </remarks>
    internal void Expand(ReadOnlySpan<int> state, Found found)
    {
        for (int actor = 0; actor < FirstElection + _scope.Elections; actor++)
        {
            if (actor >= _scope.Nodes && actor < FirstElection) continue;
            _unseen.Clear();
            _reached.Clear();
            _reached.Add(Fingerprint(state));
            ExpandOf(actor, state, null, found);
            while (_unseen.TryPop(out (int[] State, Trail Trail) next)) ExpandOf(actor, next.State, next.Trail, found);
        }
    }

    /// <summary>All that one node or election may do next.</summary>
    private void ExpandOf(int actor, ReadOnlySpan<int> state, Trail? trail, Found found)
    {
        for (int at = Header; at < state.Length; at++)
        {
            if (ReceiverOf(state[at]) != actor) continue;
            if (_scope.IsReduced && OfMessage(state[at], state[actor]).IsPure) continue;   // What it gives is sent already.
            Take(state, new ExploredStep(ExploredKind.Deliver, actor, state[at]), trail, found);
        }

        if (actor < FirstElection) ExpandNode(actor, state, trail, found);
        else ExpandElection(actor - FirstElection, state, trail, found);
    }

    private void ExpandNode(int at, ReadOnlySpan<int> state, Trail? trail, Found found)
    {
        ExploredNode node = parts.Nodes[state[at]];
        if (node.Flushing > 0) Take(state, new ExploredStep(ExploredKind.Flush, at), trail, found);
        if (node.Saving is not null) Take(state, new ExploredStep(ExploredKind.Save, at), trail, found);
        if (node.Core.Role == ReplicaRole.Leader) Take(state, new ExploredStep(ExploredKind.Tick, at), trail, found);
        if (node.Core.IsServing && state[Values] < _scope.Values) Take(state, new ExploredStep(ExploredKind.Propose, at, state[Values] + 1), trail, found);
        for (int kind = 0; kind < (_scope.IsReduced ? 1 : 4) && node.Crashes < _scope.Crashes; kind++)
        {
            if (node.HasCrash((kind & 1) != 0, (kind & 2) != 0)) Take(state, new ExploredStep(ExploredKind.Crash, at, kind), trail, found);
        }
    }

    private void ExpandElection(int at, ReadOnlySpan<int> state, Trail? trail, Found found)
    {
        for (int call = Calls; call < Leaders && state[call] > 0; call++)
        {
            if (((state[call] - 1) & 1) == at && IsAnswered(state[call])) Take(state, new ExploredStep(ExploredKind.AnswerStore, at, call), trail, found);
        }

        ShardStatus status = parts.Statuses[state[Status]].Status;
        if (status.Term < _scope.Terms && state[Calls] == 0) Take(state, new ExploredStep(ExploredKind.Suspect, at, status.Leader + 1), trail, found);
        if (state[Waits] < _scope.Waits) Take(state, new ExploredStep(ExploredKind.Wait, at), trail, found);
        if (_scope.Change is not null && state[Changes] == 0) Take(state, new ExploredStep(ExploredKind.Change, at), trail, found);
    }

    internal string Describe(ExploredStep step, ReadOnlySpan<int> state) => step.Kind switch
    {
        ExploredKind.Deliver => $"{parts.Messages[step.Detail]}",
        ExploredKind.Crash => $"{step.At} crashes{((step.Detail & 1) != 0 ? ", its log stays" : "")}{((step.Detail & 2) != 0 ? ", its term stays" : "")}",
        ExploredKind.Suspect => $"election {step.At} suspects {step.Detail - 1}",
        ExploredKind.Wait => $"election {step.At} loses patience",
        ExploredKind.Change => $"election {step.At} is to change the ensemble to {string.Join(',', _scope.Change!)}",
        ExploredKind.AnswerStore => $"store: {parts.Orders[(state[step.Detail] - 1) >> 1]}",
        _ => $"{step.At} {step.Kind}",
    };

    internal string Describe(ReadOnlySpan<int> state)
    {
        var lines = new List<string>();
        for (int at = 0; at < _scope.Nodes; at++) lines.Add($"{parts.Nodes[state[at]]}");
        for (int at = 0; at < _scope.Elections; at++) lines.Add($"{parts.Elections[state[FirstElection + at]]}");
        lines.Add($"status {parts.Statuses[state[Status]]}, committed {string.Join(',', parts.Committed[state[Committed]])}");
        foreach (int message in state[Header..]) lines.Add($"  {parts.Messages[message]}");
        return string.Join('\n', lines);
    }

    /// <summary>What the laws look at, as facts: what is committed by a term, and who serves then with what log. Reductions may leave out states, but no fact.</summary>
    internal IEnumerable<string> FactsOf(int[] state)
    {
        string committed = $"t{parts.Statuses[state[Status]].Status.Term}: {string.Join(',', parts.Committed[state[Committed]])}";
        yield return committed;
        for (int at = 0; at < _scope.Nodes; at++)
        {
            ExploredNode node = parts.Nodes[state[at]];
            if (node.Core.IsServing) yield return $"{committed}; {at} serves t{node.Core.Term} with {string.Join(',', node.Log)}";
        }
    }

    private void Take(ReadOnlySpan<int> state, ExploredStep step, Trail? trail, Found found)
    {
        state.CopyTo(_state);
        _length = state.Length;
        _changed = 0;
        _isSeen = !_scope.IsReduced;
        Trail? longer = IsTracing ? new Trail(trail, Describe(step, state)) : null;
        try
        {
            if (!Do(step)) return;
            if (_scope.IsReduced) Settle();
        }
        catch (LawBrokenException e)
        {
            e.Trail = longer;
            throw;
        }

        int actor = step.Kind is ExploredKind.Suspect or ExploredKind.Wait or ExploredKind.Change or ExploredKind.AnswerStore ? FirstElection + step.At : step.At;
        for (int at = 0; at < Header && !_isSeen; at++)
        {
            if (at != actor && !(at is >= Calls and < Leaders && actor >= FirstElection)) _isSeen = _state[at] != state[at];
        }

        ReadOnlySpan<int> next = _state.AsSpan(0, _length);
        if (_isSeen) found(longer, next);
        else if (_reached.Add(Fingerprint(next))) _unseen.Push((next.ToArray(), longer!));
    }

    /// <returns>Whether anything is different.</returns>
    private bool Do(ExploredStep step)
    {
        switch (step.Kind)
        {
            case ExploredKind.Deliver:
                ExploredOutcome outcome = OfMessage(step.Detail, _state[step.At]);
                return step.At >= FirstElection ? Elect(step.At - FirstElection, outcome) : Do(step.At, outcome);
            case ExploredKind.AnswerStore:
                return AnswerStore(step);
            case ExploredKind.Suspect:
                return Elect(step.At, OfElection(step, (core, effects) => core.Suspect(step.Detail - 1, effects)));
            case ExploredKind.Wait:
                _state[Waits]++;
                return Elect(step.At, OfElection(step, (core, effects) =>
                {
                    core.Tick(effects);
                    core.Tick(effects);
                }));
            case ExploredKind.Change:
                _state[Changes]++;
                return Elect(step.At, OfElection(step, (core, effects) => core.Change(_scope.Change!, effects)));
            case ExploredKind.Crash:
                bool isLast = Enumerable.Range(0, _scope.Nodes).Sum(at => parts.Nodes[_state[at]].Crashes) + 1 == _scope.CrashesInAll;
                bool isDone = Do(step.At, OfNode(step.At, step.Kind, step.Detail));
                for (int at = 0; at < _scope.Nodes && isLast; at++) Do(at, OfNode(at, ExploredKind.LastCrash, 0));
                return isDone;
            case ExploredKind.Propose:
                _state[Values]++;
                return Do(step.At, OfNode(step.At, step.Kind, step.Detail));
            default:
                return Do(step.At, OfNode(step.At, step.Kind, step.Detail));
        }
    }

    private ExploredOutcome OfMessage(int number, int receiver)
    {
        int at = ReceiverOf(number);
        long key = Key(at, receiver, ExploredKind.Deliver, number);
        if (_outcomes.Find(key) is { } known) return known;
        SimMessage message = parts.Messages[number];
        ExploredOutcome outcome = at < FirstElection
            ? parts.OfNode(receiver, ExploredKind.Deliver, number)
            : parts.OfElection(at - FirstElection, receiver, (core, effects) => core.Step(message.From, message.Message, effects), message);
        _outcomes.Add(key, outcome);
        return outcome;
    }

    private ExploredOutcome OfNode(int at, ExploredKind kind, int detail)
    {
        long key = Key(at, _state[at], kind, detail);
        if (_outcomes.Find(key) is { } known) return known;
        ExploredOutcome outcome = parts.OfNode(_state[at], kind, detail);
        _outcomes.Add(key, outcome);
        return outcome;
    }

    private ExploredOutcome OfElection(ExploredStep step, Action<ElectionCore, List<ElectionEffect>> take)
    {
        long key = Key(FirstElection + step.At, _state[FirstElection + step.At], step.Kind, step.Detail);
        if (_outcomes.Find(key) is { } known) return known;
        ExploredOutcome outcome = parts.OfElection(step.At, _state[FirstElection + step.At], take);
        _outcomes.Add(key, outcome);
        return outcome;
    }

    /// <summary>Kinds take 4 bits and are not 0; then whether it is an election, which one, what the step is about, and what takes it.</summary>
    private static long Key(int at, int number, ExploredKind kind, int detail) => ((long)number << 32) | ((long)detail << 6) | (at < FirstElection ? 0L : 16L << (at - FirstElection)) | ((long)kind + 1);

    /// <summary>At the end of the scope the store is silent: nobody hears of a term that is too high.</summary>
    private bool IsAnswered(int call) => parts.Orders[(call - 1) >> 1].Write is not { } status || status.Term <= _scope.Terms;

    private bool AnswerStore(ExploredStep step)
    {
        int call = _state[step.Detail] - 1;
        ElectionEffect order = parts.Orders[call >> 1];
        for (int at = step.Detail; at < Leaders; at++) _state[at] = at + 1 < Leaders ? _state[at + 1] : 0;
        ExploredStatus now = parts.Statuses[_state[Status]];
        var detail = new ExploredStep(ExploredKind.AnswerStore, step.At, checked((call >> 1 << 12) | _state[Status]));
        if (_state[Status] >= 1 << 12 || call >= 1 << 14) throw new InvalidOperationException("more calls of the store than there are numbers for");
        if (order.Write is not { } status) return Elect(step.At, OfElection(detail, (core, effects) => core.Read(now.Status, now.Version, effects)), isDone: true);
        bool isDone = order.Over == now.Version;
        ExploredStatus then = isDone ? new ExploredStatus(status, now.Version + 1) : now;
        ExploredOutcome outcome = OfElection(detail, (core, effects) =>
        {
            if (isDone) core.Written(status.Nonce, then.Version, effects);
            else core.NotWritten(status.Nonce, isUnknown: false, effects);
        });
        if (isDone) _state[Status] = parts.Add(then);
        return Elect(step.At, outcome, isDone: true);
    }

    private bool Elect(int at, ExploredOutcome outcome, bool isDone = false)
    {
        if (outcome.Broken is not null) throw new LawBrokenException(outcome.Broken);
        if (_state[FirstElection + at] != outcome.Next) _changed |= 1 << (FirstElection + at);
        isDone |= _state[FirstElection + at] != outcome.Next;
        _state[FirstElection + at] = outcome.Next;
        foreach (int call in outcome.Calls) isDone |= AddCall(call + 1);
        return Send(outcome.Sends) || isDone;
    }

    private bool AddCall(int call)
    {
        for (int at = Calls; at < Leaders; at++)
        {
            if (_state[at] == call) return false;
            if (_state[at] != 0 && _state[at] < call) continue;
            if (_state[Leaders - 1] != 0) throw new InvalidOperationException("more calls than there is room for");
            Array.Copy(_state, at, _state, at + 1, Leaders - at - 1);
            _state[at] = call;
            return true;
        }

        throw new InvalidOperationException("more calls than there is room for");
    }

    private bool Do(int at, ExploredOutcome outcome)
    {
        if (outcome.Broken is not null) throw new LawBrokenException(outcome.Broken);
        bool isDone = _state[at] != outcome.Next;
        if (isDone) _changed |= 1 << at;
        _state[at] = outcome.Next;
        if (outcome.Begins > 0) Lead(at, outcome.Begins);
        foreach ((int offset, SimEntry entry) in outcome.Commits) Commit(at, offset, entry);
        if (outcome.Serves is { } log) Serve(at, outcome.Term, log);
        return Send(outcome.Sends) || isDone;
    }

    private void Lead(int at, int term)
    {
        int before = (_state[Leaders] >> (term * 4)) & 15;
        if (before != 0) throw new LawBrokenException($"both {before - 1} and {at} lead term {term}");
        _state[Leaders] |= (at + 1) << (term * 4);
    }

    private void Commit(int at, int offset, SimEntry entry)
    {
        SimEntry[] committed = parts.Committed[_state[Committed]];
        if (offset == committed.Length) _state[Committed] = parts.Add([.. committed, entry]);
        else if (offset > committed.Length) throw new LawBrokenException($"{at} has {entry} committed at {offset}, and only {committed.Length} are");
        else if (committed[offset] != entry) throw new LawBrokenException($"{at} has {entry} committed at {offset}, and another has {committed[offset]}");
    }

    private void Serve(int at, int term, SimEntry[] log)
    {
        SimEntry[] committed = parts.Committed[_state[Committed]];
        for (int offset = 0; offset < committed.Length; offset++)
        {
            if (committed[offset].Term > term || (offset < log.Length && log[offset] == committed[offset])) continue;
            throw new LawBrokenException($"{at} serves term {term} without {committed[offset]}, committed at {offset}");
        }
    }

    private bool Send(int[] messages)
    {
        bool isNew = false;
        foreach (int message in messages)
        {
            int at = Array.BinarySearch(_state, Header, _length - Header, message);
            if (at >= 0) continue;
            ExploredOutcome? outcome = _scope.IsReduced ? OfMessage(message, _state[ReceiverOf(message)]) : null;
            if (outcome is not { IsDead: true })
            {
                at = ~at;
                Array.Copy(_state, at, _state, at + 1, _length - at);
                _state[at] = message;
                _length++;
                isNew = _isSeen = true;
            }

            if (outcome is { IsPure: true }) isNew |= Send(outcome.Sends);   // Where it can be delivered and leave nothing else behind, it was.
        }

        return isNew;
    }

    /// <summary>
    /// Goes on to a state that can do all that this one can. (1) Messages that can have no effect any more are dropped. (2) Where a node can send something and be as it was, it has sent it:
    /// the state with more messages can do the same and more. (3) A disk where no crash comes any more is done at once: one that waits longer gives nothing that a message that waits longer does not give.
    /// </summary>
    private void Settle()
    {
        while (_changed != 0)
        {
            for (int at = 0; at < _scope.Nodes; at++)
            {
                if ((_changed & (1 << at)) == 0) continue;
                ExploredNode node = parts.Nodes[_state[at]];
                for (; node.Crashes >= _scope.Crashes && node.IsBusy; node = parts.Nodes[_state[at]]) Do(at, OfNode(at, node.Saving is not null ? ExploredKind.Save : ExploredKind.Flush, 0));
            }

            if (_scope.IsSimple) SettleElection();
            int changed = _changed;
            _changed = 0;
            for (int at = 0; at < _scope.Nodes; at++)
            {
                if ((changed & (1 << at)) != 0 && parts.Nodes[_state[at]].Core.Role == ReplicaRole.Leader && OfNode(at, ExploredKind.Tick, 0) is { IsPure: true } tick) Send(tick.Sends);
            }

            for (int i = Header; i < _length; i++)
            {
                int message = _state[i], receiver = ReceiverOf(message);
                if ((changed & (1 << receiver)) == 0) continue;
                ExploredOutcome outcome = OfMessage(message, _state[receiver]);
                if (!outcome.IsPure && !outcome.IsDead) continue;
                if (outcome.IsPure) Send(outcome.Sends);
                i = Array.BinarySearch(_state, Header, _length - Header, message);
                if (!outcome.IsDead) continue;
                Array.Copy(_state, i + 1, _state, i, _length - i - 1);
                _length--;
                i--;
            }
        }

        int kept = int.MaxValue;   // Of terms that all have left on their disks nobody can become leader any more.
        for (int at = 0; at < _scope.Nodes; at++) kept = Math.Min(kept, (int)parts.Nodes[_state[at]].Disk.Term);
        _state[Leaders] &= -1 << (kept * 4);
    }

    /// <summary>
    /// An election that is alone and never loses its patience. While it waits for the status to be read, or the term to be raised, it takes nothing in: a store that answers late gives nothing
    /// that messages which come late do not give. And once the leader is told, its answers are of use to nobody, and it is as one that has just read the status.
    /// </summary>
    private void SettleElection()
    {
        while (_state[Calls] > 0 && IsAnswered(_state[Calls]) && parts.Orders[(_state[Calls] - 1) >> 1] is var order && (order.Write is null || order.Write.Leader == ShardStatus.Nobody))
            AnswerStore(new ExploredStep(ExploredKind.AnswerStore, 0, Calls));
        if (_state[Calls] > 0 || !parts.Elections[_state[FirstElection]].HasLeader) return;
        long key = ((long)_state[Status] << 32) | 63;
        if (_outcomes.Find(key) is not { } outcome) _outcomes.Add(key, outcome = new ExploredOutcome { Next = parts.Anew(_state[Status]) });
        if (_state[FirstElection] == outcome.Next) return;
        _state[FirstElection] = outcome.Next;
        _changed |= 1 << FirstElection;
    }

    /// <summary>Where in the state the number of who takes a message is.</summary>
    private int ReceiverOf(int message)
    {
        if (message >= _receivers.Length) Array.Resize(ref _receivers, (message + 1) * 2);
        if (_receivers[message] == 0)
        {
            SimMessage known = parts.Messages[message];
            _receivers[message] = 1 + (known.IsForElection ? FirstElection + known.To : known.To);
        }

        return _receivers[message] - 1;
    }
}
