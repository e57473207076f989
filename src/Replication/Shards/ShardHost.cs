using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics;

using Tidemark.Core.Diagnostics;
using Tidemark.Core.KeyValue;
using Tidemark.Core.Replication;
using Tidemark.Replication.Wire;
using Tidemark.Storage.Log;
using Tidemark.Storage.State;

namespace Tidemark.Replication.Shards;

/// <summary>One replica of one shard as a synchronous object: what comes in, its log, its state. Whoever drives it decides when.</summary>
/// <remarks>
/// Only <see cref="Submit"/>, <see cref="Read"/>, <see cref="Receive"/> and <see cref="Post"/> may be called from any thread. All else belongs to one thread at a time:
/// <see cref="Turn"/> takes what came in, <see cref="BeginFlush"/> says whether the disk has work, which <see cref="Execute"/> does in any thread, and
/// <see cref="EndFlush"/> applies and answers. What its core orders is carried out in that order by a <see cref="ReplicaWork"/>; it decides nothing about replication itself.
/// </remarks>
internal sealed class ShardHost : IDisposable
{
    private const int MostArrived = 4096;
    private const long NoFlush = -1;

    private readonly ShardHostOptions _options;
    private readonly ReplicaWork _work;
    private readonly StateJobs _jobs;
    private readonly StateScrub _scrub;
    private readonly ConcurrentQueue<Proposal> _inbox = new();
    private readonly ConcurrentQueue<Action<DateTimeOffset>> _messages = new();
    private readonly ConcurrentQueue<(int From, ShardMessage Message)> _arrived = new();
    private readonly ConcurrentQueue<Reader> _readers = new();
    private readonly Queue<Proposal> _waiting = new();    // Taken from the inbox, not yet in the log.
    private readonly List<(ushort Kind, byte[] Payload)> _due = [];
    private long _pendingBytes;
    private FlushRound? _round;
    private int _answered;       // By the last flush.
    private long _flushBegan = NoFlush;
    private bool _isSaving;
    private bool _isFlushing;
    private Exception? _saveFailure;
    private volatile StoreFullException? _noRoom;
    private volatile bool _isDamaged;
    private bool _isClosing;
    private volatile bool _isClosed;
    private volatile bool _isOver;       // Nobody drives it any more, so whoever posts does what is posted.
    private volatile bool _isElsewhere;
    private volatile int _knownLeader = ShardStatus.Nobody;
    private volatile bool _leads;
    private volatile ReplicaGlance? _glance;

    internal ShardHost(ShardHostOptions options)
    {
        _options = options;
        _jobs = new StateJobs(Post, options.TimeProvider) { Ended = EndJob };
        _scrub = new StateScrub(Post, options.TimeProvider, options.ScrubInterval) { Ended = EndScrub };
        _work = new ReplicaWork(options, this);
        Show();
    }

    /// <summary>The state machine. Read by others only through what it publishes.</summary>
    internal IStateMachine Machine => _work.State.Machine;

    internal long ShardId => _options.ShardId;

    /// <summary>Why the shard takes no more, or null.</summary>
    internal Exception? Failure { get; private set; }

    /// <summary>Called from any thread when the host has something to do.</summary>
    internal Action? Wake { get; set; }

    /// <summary>What to run beside the host, in any thread; the host hears of its end by itself.</summary>
    internal Action<Action>? RunJob
    {
        set => _jobs.Runner = value;
    }

    /// <summary>What to read the whole state with, in any thread, for as long as it takes.</summary>
    internal Action<Action>? RunScrub
    {
        set => _scrub.Runner = value;
    }

    /// <summary>Commands that wait for their place in the log or for their answer, in bytes.</summary>
    internal long PendingBytes => Volatile.Read(ref _pendingBytes);

    /// <summary>Whether several who write are about: those whom the last flush answered, and those who wait.</summary>
    internal bool HasSeveralWriters => _answered + (PendingBytes > 0 ? 1 : 0) > 1;

    internal long LogStart => _work.State.Log.Start;

    internal long LogEnd => _work.State.Log.NextOffset;

    /// <summary>The host's thread: what decides.</summary>
    internal ReplicaCore Core => _work.Core;

    /// <summary>The leader's part of the machine; null where this is no leader that serves.</summary>
    internal ILeaderRole? Leader => _work?.Leader;

    /// <summary>The host's thread: whether commands and reads are taken here.</summary>
    internal bool TakesCommands => Failure is null && _work.TakesCommands;

    /// <summary>Any thread: the node that took commands when it was looked at last, as far as is known here; or <see cref="ShardStatus.Nobody"/>.</summary>
    internal int KnownLeader => _knownLeader;

    /// <summary>Any thread: whether it led when it was looked at last, also where it takes no commands.</summary>
    internal bool Leads => _leads;

    /// <summary>Any thread: whether another node had better lead: the disk had no room for the log when it was written last, or what it has of it cannot be read.</summary>
    internal bool WantsRelief => _noRoom is not null || _isDamaged;

    /// <summary>Any thread: how long what the disk has to do is under way. Meanwhile nothing else happens here.</summary>
    internal TimeSpan FlushTime => Volatile.Read(ref _flushBegan) is var began && began == NoFlush ? TimeSpan.Zero : _options.TimeProvider.GetElapsedTime(began);

    /// <summary>Any thread: how the replica was when it was looked at last; null where it stands alone.</summary>
    internal ReplicaGlance? Glance => _glance;

    /// <summary>When there will be something to do if nothing else happens, in UTC ticks.</summary>
    internal long NextDue
    {
        get
        {
            if (Failure is not null || _isClosing) return _isClosing ? long.MaxValue : _work.NextDue;
            long due = Math.Min(Math.Min(_work.NextDue, _work.State.Log.NextDue), _scrub.NextDue);
            return _jobs.RetryAt > 0 ? Math.Min(due, _jobs.RetryAt) : due;
        }
    }

    private LogEngine Log => _work.State.Log;

    private IStateKeeper Keeper => _work.State.Keeper;

    private bool IsHeldUp => Keeper.IsBehind || Failure is not null;

    /// <summary>Whether a turn would find something.</summary>
    internal bool HasWork(DateTimeOffset now) =>
        !_inbox.IsEmpty || !_messages.IsEmpty || !_arrived.IsEmpty || !_readers.IsEmpty || (_waiting.Count > 0 && !IsHeldUp)
        || (Failure is null && _work.IsSaveDue(now)) || (Log.HasWork(now) && (_noRoom is null || Log.HasBytes));

    /// <summary>Any thread: brings a command. Where too much waits already, its answer is an <see cref="OverloadedException"/>.</summary>
    internal void Submit(Proposal proposal)
    {
        int weight = proposal.Weight;
        long pending = Interlocked.Add(ref _pendingBytes, weight);
        if (pending > _options.MaxPendingBytes && pending > weight)   // One that is alone goes through, however long.
        {
            Interlocked.Add(ref _pendingBytes, -weight);
            proposal.Finish(new OverloadedException($"{_options.MaxPendingBytes} bytes of commands wait for shard {ShardId} already. Wait for earlier ones and try again."));
            return;
        }

        _inbox.Enqueue(proposal);
        if (_isClosed) RefuseInbox();
        else Wake?.Invoke();
    }

    /// <summary>Any thread: asks to be told when the state shows all that was acknowledged before now; or why that cannot be known here.</summary>
    /// <param name="done">Told so, on the host's thread.</param>
    /// <param name="staleness">What was acknowledged in this time before now need not show.</param>
    internal void Read(ReadDone done, TimeSpan staleness = default)
    {
        _readers.Enqueue(new Reader(done, staleness, _options.TimeProvider.GetTimestamp()));
        if (_isClosed) RefuseReaders(Closed());
        else Wake?.Invoke();
    }

    /// <summary>Any thread: keeps a session alive, and says whether it lives, or why that cannot be known: not before this is known to lead still.</summary>
    internal void KeepAlive(Guid session, Action<bool, Exception?> done) => Post(now =>
    {
        if (Failure is null && !TakesCommands)
        {
            done(false, _work.WhyNot());   // Later in this turn it may begin to serve, and then the barrier alone would say yes to a no of nobody.
            return;
        }

        bool isAlive = Failure is null && _work.Leader is KvLeader leader && leader.TryKeepAlive(session, now);
        if (Planted.Is(PlantedBug.KeepAliveByDeposedLeader)) done(isAlive, null);
        else Read((refusal, _) => done(isAlive && refusal is null, refusal));
    });

    /// <summary>Any thread: has the whole state read and compared with its running sum. Where they differ, the shard has failed by the time that is told.</summary>
    internal void Scrub(Action<ScrubbedState> done) => Post(_ =>
    {
        if (Failure is { } failure) done(new ScrubbedState(Machine.Position, default, default, Refusal(failure)));
        else if (_isClosing) done(new ScrubbedState(Machine.Position, default, default, Closed()));
        else _scrub.Ask(done);
    });

    /// <summary>Any thread: a message came from a node.</summary>
    internal void Receive(int from, in ShardMessage message)
    {
        if (_arrived.Count >= MostArrived || _isClosed) return;   // As if it were lost: what matters is said again.
        _arrived.Enqueue((from, message));
        Wake?.Invoke();
    }

    /// <summary>Any thread: has something done on the host's own.</summary>
    internal void Post(Action<DateTimeOffset> message)
    {
        _messages.Enqueue(message);
        if (_isOver) TakeMessages(default);
        else Wake?.Invoke();
    }

    /// <summary>Any thread: looks at something on the host's own, at the newest entry that was applied.</summary>
    /// <exception cref="StoreFailedException">The shard failed: what it shows may not be what its log says.</exception>
    /// <exception cref="ObjectDisposedException">The shard was closed.</exception>
    internal Task<TResult> LookAsync<TResult>(Func<TResult> look)
    {
        var answer = new TaskCompletionSource<TResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(_ =>
        {
            try
            {
                if (_isClosed) throw Closed();
                if (Failure is { } cause) throw new StoreFailedException($"Shard {ShardId} failed: {cause.Message} Close the store and open it again, then back it up.", cause);
                answer.SetResult(look());
            }
            catch (Exception e)
            {
                answer.SetException(e);
            }
        });
        return answer.Task;
    }

    /// <summary>Any thread: holds the log from an entry on, up to the newest that was applied.</summary>
    /// <param name="from">The first entry wanted; where the log begins later, from there on.</param>
    /// <param name="withState">Whether the state behind it is wanted too. Where the log begins later, it is taken anyway.</param>
    /// <inheritdoc cref="LookAsync" path="/exception"/>
    internal Task<(LogCut Entries, IStateSnapshot? State)> TakeCutAsync(long from, bool withState) => LookAsync(() =>
    {
        long first = Math.Max(from, Log.Start);
        var entries = new LogCut(_work.State, null, new StatePosition(0, first - 1, default), _options.Pool, () => Wake?.Invoke());
        return (entries, withState || first > from ? _work.State.Machine.TakeSnapshot() : null);
    });

    /// <summary>Any thread: all before an entry was copied, and is kept no longer for that.</summary>
    internal void Copied(long before) => Post(now =>
    {
        if (_isClosed) return;
        _work.Copied(before);
        Trim(now);
    });

    /// <summary>Any thread: about how many bytes of log there are from an entry on.</summary>
    /// <inheritdoc cref="LookAsync" path="/exception"/>
    internal Task<long> LogBytesFromAsync(long offset) => LookAsync(() => Log.BytesFrom(offset));

    /// <summary>Any thread: a node is to lead in this one's place, once it has everything.</summary>
    internal void HandOverTo(int heir) => Post(_ => _work.HandOverTo(heir));

    /// <summary>Takes what came in, appends to the log's memory, and sends what others lack.</summary>
    internal void Turn(DateTimeOffset now)
    {
        Debug.Assert(!_isFlushing, "nothing happens between the begin of a flush and its end");
        _work.LookAtClock();
        TakeMessages(now);
        while (_arrived.TryDequeue(out (int From, ShardMessage Message) arrived)) _work.Take(arrived.From, arrived.Message, now);
        _work.Tick(now);
        TakeDue(now);
        if (!_isClosing && Failure is null) _scrub.BeginIfDue(Machine, now);
        BeginJobIfDue(now);   // What gathered during the last one may hold writes up, and then no flush comes to begin the next.
        while (_inbox.TryDequeue(out Proposal? proposal)) _waiting.Enqueue(proposal);
        if (_waiting.Count > 0 && !TakesCommands) RefuseWaiting(Failure is { } failure ? Refusal(failure) : _work.WhyNot());
        TakeReads();
        while (!IsHeldUp && _waiting.TryPeek(out Proposal? proposal) && TryPersist(proposal, now))
        {
        }

        _work.EndTurn(now);
        _knownLeader = TakesCommands || Core.Role == ReplicaRole.Follower ? Core.Leader : ShardStatus.Nobody;
        _leads = Core.IsServing;
        Show();
    }

    /// <summary>Whether the disk has something to do. If so, <see cref="Execute"/> and <see cref="EndFlush"/> come before anything else.</summary>
    internal bool BeginFlush(DateTimeOffset now)
    {
        if (Failure is not null) return false;
        _isSaving = _work.BeginSave(now);
        lock (Log.Gate) _round = Log.HasWork(now) ? Log.Begin(now) : null;
        _isFlushing = _isSaving || _round is not null;
        if (_isFlushing) Volatile.Write(ref _flushBegan, _options.TimeProvider.GetTimestamp());
        return _isFlushing;
    }

    /// <summary>Disk: does the round.</summary>
    internal void Execute()
    {
        if (_round is { } round)
        {
            long started = _options.TimeProvider.GetTimestamp();
            Log.Execute(round);
            LogMetrics.Flushed(round, _options.TimeProvider.GetElapsedTime(started));
        }

        if (!_isSaving) return;
        try
        {
            _work.Save();
        }
        catch (Exception e)
        {
            _saveFailure = e;
        }
    }

    /// <summary>Applies and answers what the round made durable.</summary>
    /// <returns>Whether it had room for all it was to do.</returns>
    internal bool EndFlush(DateTimeOffset now)
    {
        bool hadRoom = true;
        _isFlushing = false;
        Volatile.Write(ref _flushBegan, NoFlush);
        _answered = 0;
        if (_round is { } round)
        {
            _round = null;
            lock (Log.Gate) Log.Complete(round);
            _noRoom = round.NoRoom;
            hadRoom = _noRoom is null;
            if (Log.Failure is { } cause)
            {
                Fail(cause);
                return hadRoom;
            }

            _work.Flushed(now);
            if (_noRoom is not null && !Log.HasBytes)
            {
                _work.HasNoRoom(now);
                if (_waiting.Count > 0) RefuseWaiting(_noRoom);
            }
        }

        if (_isSaving && Failure is null) EndSave(now);
        _isSaving = false;
        if (_work.TakeCut() || _work.IsTrimmable) Trim(now);
        BeginJobIfDue(now);
        Show();
        return hadRoom;
    }

    /// <summary>Finishes what was appended, and closes the log.</summary>
    /// <param name="now">The time.</param>
    /// <param name="remembers">Whether the state is handed over where that makes the next opening quicker.</param>
    internal void Close(DateTimeOffset now, bool remembers = true)
    {
        _isClosing = true;
        _scrub.Cancel();
        Turn(now);
        while (Failure is null && (Log.HasWork(now) || _waiting.Count > 0))
        {
            if (BeginFlush(now))
            {
                Execute();
                if (!EndFlush(now) && !Log.HasBytes) break;
            }
            else if (Keeper.IsBehind)
            {
                _jobs.Wait();
                TakeMessages(now);
                if (!_jobs.IsDue(now)) break;   // The engine does not write: what waits is refused.
                if (Keeper.IsBehind) _jobs.TryBegin(Keeper, _work.LogBytes, isClosing: true);
            }

            Turn(now);
        }

        _isClosed = true;
        _jobs.Wait();
        _work.Abandon(new OutcomeUnknownException($"Shard {ShardId} was closed while the write was under way: other nodes may have it. Whether it happened shows there."));
        RefuseWaiting(Closed());
        RefuseInbox();   // What came after the last turn; what comes later refuses itself.
        RefuseReaders(Closed());
        if (Failure is null && remembers) FinishJobs();
        _work.Dispose();
        _isOver = true;
        TakeMessages(now);
    }

    /// <summary>Closes a replica that this node keeps no more. What comes to it still surely did not happen, and is to be brought to another.</summary>
    internal void CloseForGood(DateTimeOffset now)
    {
        _isElsewhere = true;
        Close(now, remembers: false);
    }

    /// <summary>Closes the files at once: what was not flushed is lost.</summary>
    public void Dispose()
    {
        _isClosed = true;
        _scrub.Cancel();
        _work.Dispose();
    }

    /// <summary>Takes no more from now on. What has no place in the log surely did not happen; of what has, nobody knows.</summary>
    internal void Fail(Exception cause)
    {
        if (Failure is not null) return;
        Failure = cause;
        ShardMetrics.Failed();
        ShardMessages.Failed(_options.Logger, ShardId, cause);
        if (cause is CorruptDataException) Condemn();
        _work.Abandon(new OutcomeUnknownException($"Shard {ShardId} failed while the write was under way: {cause.Message} Whether it happened shows when the store is opened again.", cause));
        RefuseWaiting(Refusal(cause));
        Show();
    }

    /// <summary>Until it returns, a job may be at work on the state.</summary>
    internal void WaitForJob()
    {
        _scrub.Cancel();
        _jobs.Wait();
    }

    /// <summary>Has a job that is at work rest no more: the shard is about to be closed, and others that wait for a thread are too.</summary>
    internal void HurryJob() => _jobs.Hurry();

    /// <summary>The shard's last word to a command.</summary>
    internal void End(Proposal proposal, Exception? failure, DateTimeOffset now)
    {
        Interlocked.Add(ref _pendingBytes, -proposal.Weight);
        _answered++;
        if (proposal.IsOwn) _work.Leader?.Ended(proposal.Kind, failure is null, now);
        if (proposal.Kind == EntryKinds.Mark) _work.MarkEnded(failure is null, now);
        proposal.Finish(failure);
    }

    /// <summary>Shows other threads how the replica is.</summary>
    private void Show()
    {
        if (_options.Replica is null) return;
        var now = new ReplicaGlance(
            _knownLeader, Core.Term, Failure is null ? Core.Role : ReplicaRole.Stopped, Core.Log.Head.Offset, Core.Committed - 1, Machine.Position.Offset, Core.IsLost);
        if (now != _glance) _glance = now;
    }

    private void Condemn()
    {
        try
        {
            _options.Replica?.Disk.Condemn();
        }
        catch (Exception e) when (e is IOException or StoreFullException)
        {
            // It is found again, as it was found now.
        }
    }

    private void EndSave(DateTimeOffset now)
    {
        if (_saveFailure is not { } failure)
        {
            _work.Saved(now);
            return;
        }

        _saveFailure = null;
        if (failure is StoreFullException) _work.SaveLater(now);
        else Fail(failure);
    }

    private void EndScrub(ScrubbedState found)
    {
        if (found.Failure is { } failure)
        {
            ShardMessages.NotScrubbed(_options.Logger, ShardId, failure);
            return;
        }

        ShardMetrics.Scrubbed();
        ShardMessages.Scrubbed(_options.Logger, ShardId, found.Position.Offset, found.Found.Rows);
        if (found.Found != found.Expected && !_isOver)
            Fail(new CorruptDataException($"{_options.Name} state", 0, $"the hash {found.Expected} behind entry {found.Position.Offset}", $"{found.Found}: rows have changed that no entry changed"));
    }

    private void FinishJobs()
    {
        // Jobs run here now: nobody else runs any more.
        _jobs.Runner = null;
        TakeMessages(default);   // Of the end of one that was under way.
        _jobs.TryBegin(Keeper, _work.LogBytes, isClosing: true);
        TakeMessages(default);
    }

    private void TakeMessages(DateTimeOffset now)
    {
        while (_messages.TryDequeue(out Action<DateTimeOffset>? message)) message(now);
    }

    private void TakeReads()
    {
        while (_readers.TryDequeue(out Reader reader))
        {
            if (Failure is { } failure) reader.Done(Refusal(failure), default);
            else _work.Read(reader.Done, reader.Staleness, reader.Began);
        }
    }

    private void TakeDue(DateTimeOffset now)
    {
        if (Failure is not null || _isClosing || _work.Leader is not { } leader) return;
        _work.Inform(leader);
        leader.Tick(now, _due);
        if (_work.TakeMarkDue(now)) _due.Add((EntryKinds.Mark, []));
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
        switch (_work.TryPropose(proposal, now, out Exception? refusal))
        {
            case true:
                _waiting.Dequeue();
                return true;
            case false when refusal is null:
                return false;
            default:
                _waiting.Dequeue();
                End(proposal, refusal, now);
                return true;
        }
    }

    private void BeginJobIfDue(DateTimeOffset now)
    {
        if (_isClosing || Failure is not null) return;
        _jobs.HurryIfDue(_work.LogBytes, _noRoom is not null);
        if (_jobs.IsDue(now) && _jobs.TryBegin(Keeper, _work.IsCutToRemember ? long.MaxValue : _work.LogBytes, isClosing: false)) _work.Remembering();
    }

    private void EndJob(IStateKeeper keeper, StateJob job, DateTimeOffset now)
    {
        if (keeper != Keeper || _isOver) return;   // Of a state that was replaced meanwhile, or is closed.
        Keeper.End(job);
        _isDamaged = job.Failure is CorruptDataException && _options.Replica is not null;
        if (job.Failure is { } failure)
        {
            ShardMessages.JobFailed(_options.Logger, ShardId, failure);
            if (failure is StoreFailedException || (_isDamaged && Core.Role == ReplicaRole.Follower)) Fail(failure);   // The others have what was damaged here.
            return;
        }

        Trim(now);
    }

    /// <summary>Lets what nobody needs go from the log.</summary>
    private void Trim(DateTimeOffset now)
    {
        if (Failure is not null) return;
        FlushRound? round;
        lock (Log.Gate) round = Log.BeginTrim(_work.NeededFrom, now);
        if (round is null) return;
        Log.Execute(round);
        lock (Log.Gate) Log.Complete(round);
        if (Log.Failure is { } cause) Fail(cause);
        else _work.Trimmed();
    }

    private StoreFailedException Refusal(Exception cause) =>
        new($"Shard {ShardId} takes no more writes since it failed: {cause.Message} Close the store and open it again.", cause);

    private Exception Closed() => _isElsewhere
        ? new ShardUnavailableException(ShardId, $"Shard {ShardId} is kept by other nodes now.", ShardStatus.Nobody)
        : new ObjectDisposedException(nameof(TidemarkStore));

    private void RefuseInbox()
    {
        while (_inbox.TryDequeue(out Proposal? proposal))
        {
            Interlocked.Add(ref _pendingBytes, -proposal.Weight);
            proposal.Finish(Closed());
        }
    }

    private void RefuseReaders(Exception refusal)
    {
        while (_readers.TryDequeue(out Reader reader)) reader.Done(refusal, default);
    }

    private void RefuseWaiting(Exception refusal)
    {
        while (_waiting.TryDequeue(out Proposal? proposal)) End(proposal, refusal, default);
    }

    private readonly record struct Reader(ReadDone Done, TimeSpan Staleness, long Began);
}
