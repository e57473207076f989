using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics;

using Tidemark.Core.Replication;
using Tidemark.Storage.Log;
using Tidemark.Storage.State;

namespace Tidemark.Replication.Shards;

/// <summary>One replica of one shard as a synchronous object: its inbox, its log, its state. Whoever drives it decides when.</summary>
/// <remarks>
/// Only <see cref="Submit"/> and <see cref="Post"/> may be called from any thread. All else belongs to one thread at a time: <see cref="Turn"/> takes what came
/// in, the round from <see cref="BeginFlush"/> is the disk's part, <see cref="EndFlush"/> applies and answers. It carries out what its core orders, in
/// that order, and decides nothing about replication itself.
/// </remarks>
internal sealed class ShardHost
{
    private const int FrameBytes = FrameHeader.Size;
    private const long Term = 1;

    private readonly ShardHostOptions _options;
    private readonly LogEngine _log;
    private readonly ReplicaCore _core;
    private readonly ILeaderRole _leader;
    private readonly ConcurrentQueue<Proposal> _inbox = new();
    private readonly ConcurrentQueue<Action<DateTimeOffset>> _messages = new();
    private readonly Queue<Proposal> _waiting = new();    // Taken from the inbox, not yet in the log.
    private readonly Queue<Proposal> _underWay = new();   // In the log, not yet answered.
    private readonly List<Effect> _effects = [];
    private readonly List<(ushort Kind, byte[] Payload)> _due = [];
    private readonly object _jobGate = new();   // Waited on, so not a Lock.
    private bool _isJobRunning;
    private long _pendingBytes;
    private long _logBytes;            // Applied since the state was remembered last.
    private StateJob? _job;
    private long _jobRetryAt;
    private StoreFullException? _noRoom;
    private bool _isClosing;
    private volatile bool _isClosed;

    internal ShardHost(ShardHostOptions options)
    {
        _options = options;
        _log = options.Log;
        Replay();
        _core = ReplicaCore.Alone(_log.NextOffset, Machine.Position.Offset + 1);
        options.Publish();
        _leader = options.CreateLeader();
    }

    /// <summary>The state machine. Read by others only through what it publishes.</summary>
    internal IStateMachine Machine => _options.Machine;

    internal long ShardId => _options.ShardId;

    /// <summary>Why the shard takes no more, or null.</summary>
    internal Exception? Failure { get; private set; }

    /// <summary>Called from any thread when the host has something to do.</summary>
    internal Action? Wake { get; set; }

    /// <summary>What to run beside the host, in any thread; the host hears of its end by itself.</summary>
    internal Action<Action>? RunJob { get; set; }

    /// <summary>Commands that wait for their place in the log or for their answer, in bytes.</summary>
    internal long PendingBytes => Volatile.Read(ref _pendingBytes);

    internal long LogStart => _log.Start;

    internal long LogEnd => _log.NextOffset;

    /// <summary>When there will be something to do if nothing else happens, in UTC ticks.</summary>
    internal long NextDue
    {
        get
        {
            if (Failure is not null || _isClosing) return long.MaxValue;
            long due = Math.Min(_leader.NextDue, _log.NextDue);
            return _jobRetryAt > 0 ? Math.Min(due, _jobRetryAt) : due;
        }
    }

    /// <summary>Whether a turn would find something.</summary>
    internal bool HasWork(DateTimeOffset now) =>
        !_inbox.IsEmpty || !_messages.IsEmpty || (_waiting.Count > 0 && !IsHeldUp) || (_log.HasWork(now) && (_noRoom is null || _log.HasBytes));

    private bool IsHeldUp => _options.Keeper.IsBehind || Failure is not null;

    /// <summary>Any thread: brings a command.</summary>
    /// <exception cref="OverloadedException">Too much waits already.</exception>
    internal void Submit(Proposal proposal)
    {
        int weight = proposal.Weight;
        if (Interlocked.Add(ref _pendingBytes, weight) > _options.MaxPendingBytes)
        {
            Interlocked.Add(ref _pendingBytes, -weight);
            throw new OverloadedException($"{_options.MaxPendingBytes} bytes of commands wait for shard {ShardId} already. Wait for earlier ones and try again.");
        }

        _inbox.Enqueue(proposal);
        if (_isClosed) RefuseInbox();
        else Wake?.Invoke();
    }

    /// <summary>Any thread: has something done on the host's own.</summary>
    internal void Post(Action<DateTimeOffset> message)
    {
        _messages.Enqueue(message);
        Wake?.Invoke();
    }

    /// <summary>Takes what came in and appends it to the log's memory.</summary>
    internal void Turn(DateTimeOffset now)
    {
        TakeMessages(now);
        TakeDue(now);
        BeginJobIfDue(now);   // What gathered during the last one may hold writes up, and then no flush comes to begin the next.
        while (_inbox.TryDequeue(out Proposal? proposal)) _waiting.Enqueue(proposal);
        if (Failure is { } failure) RefuseWaiting(Refusal(failure));
        if (_options.Keeper.IsBehind) return;
        while (_waiting.TryPeek(out Proposal? proposal) && TryPersist(proposal, now))
        {
        }

        _effects.Clear();
        _core.EndTurn(_effects);   // A durable log flushes what it has; nothing more is to be said to it.
    }

    /// <summary>The disk's next part, or null. It is executed with <see cref="Execute"/>, in any thread, before anything else is called.</summary>
    internal FlushRound? BeginFlush(DateTimeOffset now)
    {
        if (Failure is not null || !_log.HasWork(now)) return null;
        return _log.Begin(now);
    }

    /// <summary>Disk: does the round.</summary>
    internal void Execute(FlushRound round)
    {
        long started = _options.TimeProvider.GetTimestamp();
        _log.Execute(round);
        LogMetrics.Flushed(round, _options.TimeProvider.GetElapsedTime(started));
    }

    /// <summary>Applies and answers what the round made durable.</summary>
    internal void EndFlush(FlushRound round, DateTimeOffset now)
    {
        _log.Complete(round);
        _noRoom = round.NoRoom;
        if (_log.Failure is { } cause)
        {
            Fail(cause);
            return;
        }

        long started = _options.TimeProvider.GetTimestamp();
        long before = _core.Applied;
        _effects.Clear();
        _core.Flushed(_log.Flushed.Offset, _effects);
        foreach (Effect effect in _effects) CarryOut(effect, now);
        ShardMetrics.Applied(_core.Applied - before, _options.TimeProvider.GetElapsedTime(started));
        if (_noRoom is not null && _waiting.Count > 0 && !_log.HasBytes) RefuseWaiting(_noRoom);
        BeginJobIfDue(now);
    }

    /// <summary>Finishes what was appended, and closes the log.</summary>
    /// <param name="now">The time.</param>
    /// <param name="remembers">Whether the state is handed over where that makes the next opening quicker.</param>
    internal void Close(DateTimeOffset now, bool remembers = true)
    {
        _isClosing = true;
        Turn(now);
        while (Failure is null && (_log.HasWork(now) || _waiting.Count > 0))
        {
            if (BeginFlush(now) is { } round)
            {
                Execute(round);
                EndFlush(round, now);
                if (round.NoRoom is not null && !_log.HasBytes) break;
            }
            else if (_options.Keeper.IsBehind)
            {
                WaitForJob();
                TakeMessages(now);
                if (now.UtcTicks < _jobRetryAt) break;   // The engine does not write: what waits is refused.
                if (_options.Keeper.IsBehind) BeginJob(isClosing: true);
            }

            Turn(now);
        }

        _isClosed = true;
        WaitForJob();
        RefuseWaiting(Closed());
        RefuseInbox();   // What came after the last turn; what comes later refuses itself.
        if (Failure is null && remembers) FinishJobs();
        try
        {
            _log.Close();
        }
        finally
        {
            _options.Keeper.Dispose();
        }
    }

    /// <summary>A job has the state and the engine in its hands.</summary>
    private void WaitForJob()
    {
        lock (_jobGate)
        {
            while (_isJobRunning) Monitor.Wait(_jobGate);
        }
    }

    private void FinishJobs()
    {
        // Jobs run here now: nobody else runs any more.
        RunJob = job => job();
        TakeMessages(default);   // Of the end of one that was under way.
        BeginJob(isClosing: true);
        TakeMessages(default);
    }

    /// <summary>Applies what the log has and the state has not.</summary>
    private void Replay()
    {
        long from = Machine.Position.Offset + 1;
        if (from > _log.NextOffset)
            throw new CorruptDataException(_options.Name, 0, $"a state at or before the log's end, {_log.NextOffset - 1}", $"a state at {from - 1}: the log lost its end");
        if (from < _log.Start)
            throw new CorruptDataException(_options.Name, 0, $"a log that begins at {from} or before", $"one that begins at {_log.Start}: entries between state and log are missing");
        var answer = new ArrayBufferWriter<byte>();
        foreach (LogRecord record in LogReplay.Read(_log, _options.Pool, from))
        {
            answer.ResetWrittenCount();
            Machine.Apply(new StateEntry(new StatePosition(record.Term, record.Offset, record.Timestamp), record.Kind, record.Payload), answer);
            _logBytes += FrameBytes + record.Payload.Length;
        }

        _options.Clock.Adopt(Machine.Position.Timestamp);
    }

    private void TakeMessages(DateTimeOffset now)
    {
        while (_messages.TryDequeue(out Action<DateTimeOffset>? message)) message(now);
    }

    private void TakeDue(DateTimeOffset now)
    {
        if (Failure is not null || _isClosing) return;
        _leader.Tick(now, _due);
        foreach ((ushort kind, byte[] payload) in _due)
        {
            var own = new Proposal(home: null);
            own.Begin(kind);
            own.Payload.Write(payload);
            Interlocked.Add(ref _pendingBytes, own.Weight);
            _waiting.Enqueue(own);
        }

        _due.Clear();
    }

    /// <summary>Appends the first waiting command; false where the log must first make room.</summary>
    private bool TryPersist(Proposal proposal, DateTimeOffset now)
    {
        _effects.Clear();
        _core.Propose(_effects);
        Exception? refusal = null;
        bool isAppended = false;
        try
        {
            HybridTimestamp timestamp = _options.Clock.Now();
            var entry = new LogEntry(proposal.Payload.WrittenMemory) { Kind = proposal.Kind, Term = Term, Timestamp = timestamp };
            isAppended = _log.TryAppend([entry], now, out long offset);
            if (isAppended) proposal.Position = new StatePosition(Term, offset, timestamp);
        }
        catch (Exception e)
        {
            refusal = e;   // Whatever it is, it is the answer to this command: it has no place in the log.
        }

        if (isAppended)
        {
            Debug.Assert(_effects[0].From == proposal.Position.Offset, "core and log agree on offsets");
            _underWay.Enqueue(_waiting.Dequeue());
            return true;
        }

        _core.Withdraw();
        if (refusal is null) return false;
        _waiting.Dequeue();
        End(proposal, refusal, now);
        return true;
    }

    private void CarryOut(Effect effect, DateTimeOffset now)
    {
        switch (effect.Kind)
        {
            case EffectKind.Commit:
                break;   // Nobody else is told where there is one replica.
            case EffectKind.Apply:
                Apply(effect);
                break;
            case EffectKind.Answer:
                Answer(effect, now);
                break;
            default:
                throw new UnreachableException($"no peers, no {effect.Kind}");
        }
    }

    private void Apply(Effect effect)
    {
        long next = effect.From;
        foreach (Proposal proposal in _underWay)
        {
            if (next == effect.To) break;
            try
            {
                Machine.Apply(new StateEntry(proposal.Position, proposal.Kind, proposal.Payload.WrittenMemory), proposal.Answer);
            }
            catch (Exception e)
            {
                Fail(e);   // A state that an entry did not get through is not to be shown or built upon.
                return;
            }

            _logBytes += FrameBytes + proposal.Payload.WrittenCount;
            next++;
        }

        _options.Publish();
    }

    private void Answer(Effect effect, DateTimeOffset now)
    {
        if (Failure is not null) return;
        for (long offset = effect.From; offset < effect.To; offset++) End(_underWay.Dequeue(), null, now);
    }

    private void End(Proposal proposal, Exception? failure, DateTimeOffset now)
    {
        Interlocked.Add(ref _pendingBytes, -proposal.Weight);
        if (proposal.IsOwn) _leader.Ended(proposal.Kind, failure is null, now);
        proposal.Finish(failure);
    }

    private void BeginJobIfDue(DateTimeOffset now)
    {
        if (now.UtcTicks >= _jobRetryAt && !_isClosing && Failure is null) BeginJob(isClosing: false);
    }

    private void BeginJob(bool isClosing)
    {
        if (_job is not null) return;
        _jobRetryAt = 0;
        if (_options.Keeper.Begin(_logBytes, isClosing) is not { } job) return;
        _job = job;
        lock (_jobGate) _isJobRunning = true;
        _logBytes = 0;
        Action run = () =>
        {
            long started = _options.TimeProvider.GetTimestamp();
            job.Run();
            ShardMetrics.Remembered(_options.TimeProvider.GetElapsedTime(started));
            Post(now => EndJob(job, now));
            lock (_jobGate)
            {
                _isJobRunning = false;
                Monitor.Pulse(_jobGate);
            }
        };
        if (RunJob is { } elsewhere) elsewhere(run);
        else run();
    }

    private void EndJob(StateJob job, DateTimeOffset now)
    {
        _job = null;
        _options.Keeper.End(job);
        if (job.Failure is { } failure)
        {
            ShardMessages.JobFailed(_options.Logger, ShardId, failure);
            if (failure is StoreFailedException) Fail(failure);
            _jobRetryAt = now.UtcTicks + TimeSpan.TicksPerSecond;
            return;
        }

        if (Failure is not null || _log.BeginTrim(_options.Keeper.NeededFrom, now) is not { } round) return;
        _log.Execute(round);
        _log.Complete(round);
        if (_log.Failure is { } cause) Fail(cause);
    }

    /// <summary>Takes no more from now on. What has no place in the log surely did not happen; of what has, nobody knows.</summary>
    internal void Fail(Exception cause)
    {
        if (Failure is not null) return;
        Failure = cause;
        ShardMetrics.Failed();
        ShardMessages.Failed(_options.Logger, ShardId, cause);
        var unknown = new OutcomeUnknownException($"Shard {ShardId} failed while the write was under way: {cause.Message} Whether it happened shows when the store is opened again.", cause);
        while (_underWay.TryDequeue(out Proposal? proposal)) End(proposal, unknown, default);
        RefuseWaiting(Refusal(cause));
    }

    private StoreFailedException Refusal(Exception cause) =>
        new($"Shard {ShardId} takes no more writes since it failed: {cause.Message} Close the store and open it again.", cause);

    private static ObjectDisposedException Closed() => new(nameof(TidemarkStore));

    private void RefuseInbox()
    {
        while (_inbox.TryDequeue(out Proposal? proposal))
        {
            Interlocked.Add(ref _pendingBytes, -proposal.Weight);
            proposal.Finish(Closed());
        }
    }

    private void RefuseWaiting(Exception refusal)
    {
        while (_waiting.TryDequeue(out Proposal? proposal)) End(proposal, refusal, default);
    }
}
