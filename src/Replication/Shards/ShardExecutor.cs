using System.Diagnostics.CodeAnalysis;
using System.Globalization;

using Tidemark.Storage.Files;

namespace Tidemark.Replication.Shards;

/// <summary>Drives shard hosts: gives them turns one after the other, while their logs are written and flushed side by side.</summary>
/// <remarks>
/// A few threads share one lane. Whoever has it gives a host that was woken its turn, and leaves the lane before it flushes that host's log; once that is done, the
/// host applies and answers as soon as the lane is free. So a write costs two hand-offs between threads: to the one that takes it, and back to whoever waits; and no
/// log waits for another's flush. While a flush runs, what comes for its host gathers for the next; that, and a <see cref="Gathering"/> behind it, is the whole batching: there is no timer.
/// </remarks>
internal sealed class ShardExecutor : IAsyncDisposable
{
    private readonly object _gate = new();   // Waited on, so not a Lock.
    private readonly int _number;
    private readonly int _mostThreads;
    private readonly DiskThreads _jobThreads;
    private readonly TimeProvider _time;
    private readonly Func<DateTimeOffset> _now;
    private readonly Gathering _gathering = new();
    private readonly List<Member> _members = [];
    private readonly Queue<Member> _ready = new();   // Woken, or their flush has ended.
    private readonly ITimer _timer;
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _armedFor = long.MaxValue;   // What the timer waits for, in UTC ticks.
    private int _threads;
    private int _resting;
    private bool _isLaneTaken;
    private bool _isCalled;    // A thread is on its way to the lane.
    private bool _isStopped;

    /// <param name="number">Names the threads.</param>
    /// <param name="mostThreads">How many logs may be flushed side by side. A thread is started where the others are busy.</param>
    /// <param name="time">The time, and timers.</param>
    /// <param name="jobThreads">Run jobs, which may rest.</param>
    /// <param name="now">What timers go by; null for the wall clock.</param>
    internal ShardExecutor(int number, int mostThreads, TimeProvider time, DiskThreads jobThreads, Func<DateTimeOffset>? now = null)
    {
        (_number, _mostThreads, _time, _jobThreads) = (number, mostThreads, time, jobThreads);
        _now = now ?? time.GetUtcNow;
        _timer = time.CreateTimer(static executor => ((ShardExecutor)executor!).WakeDue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Drives a host from now on.</summary>
    internal void Add(ShardHost host)
    {
        var member = new Member(host);
        host.Wake = () => Wake(member);
        host.RunJob = job => _jobThreads.Enqueue(new Job(job));
        host.RunScrub = RunScrub;
        lock (_gate) _members.Add(member);
        Wake(member);
    }

    /// <summary>What to read whole states with: one after the other, beside what flushes.</summary>
    internal Action<Action>? RunScrub { get; init; }

    /// <summary>Drives a host no more, and leaves it open. Once that is so, or the executor ends, something is done on one of its threads; it should be short.</summary>
    /// <returns>Whether it was driven here.</returns>
    internal bool TryRemove(ShardHost host, Action then)
    {
        Member? member;
        lock (_gate)
        {
            member = _members.Find(member => member.Host == host);
            if (member is null) return false;
            member.Released = then;
        }

        Wake(member);
        return true;
    }

    /// <summary>Closes all hosts on one of its threads, and ends them.</summary>
    /// <exception cref="AggregateException">Hosts could not be closed cleanly. All were closed.</exception>
    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (_threads == 0 && !_isStopped) StartThread();
            _isStopped = true;
            WakeThreads();
        }

        return new ValueTask(_stopped.Task);
    }

    private void Wake(Member member)
    {
        if (Interlocked.Exchange(ref member.IsWoken, 1) == 1) return;
        lock (_gate)
        {
            if (member.IsBusy) return;
            member.IsBusy = true;
            _ready.Enqueue(member);
            CallThread();
        }
    }

    private void WakeDue()
    {
        lock (_gate)
        {
            (long now, long next) = (_now().UtcTicks, long.MaxValue);
            foreach (Member member in _members)
            {
                if (member.NextDue > now)
                {
                    next = Math.Min(next, member.NextDue);
                    continue;
                }

                member.NextDue = long.MaxValue;   // Its turn will say.
                Wake(member);
            }

            _armedFor = long.MaxValue;
            ArmTimer(next);
        }
    }

    private void Run()
    {
        lock (_gate) _isCalled = false;
        for (bool hasLane = false; TryTake(hasLane, out Member? member);)
        {
            bool isAnswered = member.IsFlushing;
            if (!Advance(member))
            {
                hasLane = !(isAnswered && member.Host.HasSeveralWriters && TryGather(member));
                continue;
            }

            hasLane = false;
            LeaveLane();
            member.Host.Execute();
            lock (_gate) _ready.Enqueue(member);
        }

        bool isLast;
        lock (_gate)
        {
            isLast = --_threads == 0;
            WakeThreads();
        }

        if (isLast) Close();
    }

    /// <summary>Waits until the lane is free and a host is ready, and takes both; false at the end.</summary>
    private bool TryTake(bool hasLane, [NotNullWhen(true)] out Member? member)
    {
        member = null;
        lock (_gate)
        {
            if (hasLane) _isLaneTaken = false;
            while (_isLaneTaken || !_ready.TryDequeue(out member))
            {
                if (_isStopped && _ready.Count == 0) return false;
                _resting++;
                Monitor.Wait(_gate);
                _isCalled = false;
            }

            return _isLaneTaken = true;
        }
    }

    private void LeaveLane()
    {
        lock (_gate)
        {
            _isLaneTaken = false;
            CallThread();
        }
    }

    /// <summary>Leaves the lane and pauses, unless another host is ready: those whom this one has answered may come back in time for its next flush.</summary>
    private bool TryGather(Member member)
    {
        lock (_gate)
        {
            if (_isCalled || _ready.Count > (member.IsBusy ? 1 : 0) || !_gathering.IsWorthIt()) return false;
            (_isLaneTaken, _isCalled) = (false, true);   // This thread comes back by itself.
        }

        long begin = _time.GetTimestamp();
        Thread.Yield();
        lock (_gate)
        {
            _isCalled = false;
            _gathering.Paused(_time.GetElapsedTime(begin));
        }

        return true;
    }

    /// <summary>Lets a host go on: it takes its turn, or ends its flush.</summary>
    /// <returns>Whether the disk has something to do for it now.</returns>
    private bool Advance(Member member)
    {
        ShardHost host = member.Host;
        DateTimeOffset now = _now();
        if (member.IsFlushing)
        {
            member.IsFlushing = false;
            Guard(host, now, static (host, now) => host.EndFlush(now));
        }
        else
        {
            Interlocked.Exchange(ref member.IsWoken, 0);   // Before it looks: what comes from here on wakes it again.
            if (member.Released is { } then)
            {
                lock (_gate) _members.Remove(member);   // And it is busy for good.
                host.Wake = null;
                then();
                return false;
            }

            Guard(host, now, static (host, now) => host.Turn(now));
            member.IsFlushing = host.BeginFlush(now);
            if (member.IsFlushing) return true;
        }

        bool hasWork = host.HasWork(now);
        lock (_gate)
        {
            member.IsBusy = hasWork || Volatile.Read(ref member.IsWoken) == 1;
            if (member.IsBusy)
            {
                _ready.Enqueue(member);   // Behind the others.
                return false;
            }

            member.NextDue = host.NextDue;
            ArmTimer(member.NextDue);
            return false;
        }
    }

    /// <summary>What no rule of the host's foresaw ends that shard, not the process.</summary>
    private static void Guard(ShardHost host, DateTimeOffset now, Action<ShardHost, DateTimeOffset> step)
    {
        try
        {
            step(host, now);
        }
        catch (Exception e)
        {
            host.Fail(e);
        }
    }

    /// <summary>Under the gate: where the lane is free and a host is ready, a thread is to come, unless one does already or all flush: those come back by themselves.</summary>
    private void CallThread()
    {
        if (_isLaneTaken || _isCalled || _ready.Count == 0) return;
        if (_resting > 0)
        {
            _resting--;
            _isCalled = true;
            Monitor.Pulse(_gate);
        }
        else if (_threads < _mostThreads && !_isStopped)
        {
            StartThread();
        }
    }

    /// <summary>Under the gate: has all threads look whether this is the end.</summary>
    private void WakeThreads()
    {
        _resting = 0;
        Monitor.PulseAll(_gate);
    }

    private void StartThread()
    {
        _threads++;
        _isCalled = true;
        new Thread(Run) { IsBackground = true, Name = string.Create(CultureInfo.InvariantCulture, $"Tidemark shards {_number}.{_threads}") }.Start();
    }

    private void ArmTimer(long due)
    {
        if (due >= _armedFor) return;
        _armedFor = due;
        long wait = Math.Clamp(due - _now().UtcTicks, TimeSpan.TicksPerMillisecond, TimeSpan.TicksPerDay);
        _timer.Change(TimeSpan.FromTicks(wait), Timeout.InfiniteTimeSpan);
    }

    private void Close()
    {
        List<Exception> failures = [];
        foreach (Member member in _members) member.Host.HurryJob();   // Jobs of one may wait for those of another.
        foreach (Member member in _members)
        {
            try
            {
                if (member.Released is { } then) then();
                else member.Host.Close(_now());
            }
            catch (Exception e)
            {
                failures.Add(e);
            }
        }

        _timer.Dispose();
        if (failures.Count == 0) _stopped.SetResult();
        else _stopped.SetException(new AggregateException(failures));
    }

    /// <remarks>Who has the lane has what is not said to be the gate's.</remarks>
    private sealed class Member(ShardHost host)
    {
        internal int IsWoken;   // Any thread's.

        internal ShardHost Host => host;

        /// <summary>The gate's: it is ready, or a thread is at it.</summary>
        internal bool IsBusy { get; set; }

        /// <summary>Its flush has begun, and it has not heard of the end yet.</summary>
        internal bool IsFlushing { get; set; }

        /// <summary>The gate's: what is done once it is driven no more; null while it is driven.</summary>
        internal Action? Released { get; set; }

        /// <summary>The gate's: when the host wants a turn if nothing else happens, in UTC ticks.</summary>
        internal long NextDue { get; set; } = long.MaxValue;
    }

    private sealed class Job(Action work) : IDiskWork
    {
        public void Run() => work();
    }
}
