using System.Globalization;

using Tidemark.Storage.Files;

namespace Tidemark.Replication.Shards;

/// <summary>A thread that drives shard hosts: takes their turns, has their logs flushed side by side, then lets them apply and answer.</summary>
/// <remarks>
/// A write costs two hand-offs between threads: to this one, and back to whoever waits. While a flush runs, what comes in gathers for the next: that is the
/// whole batching, there is no timer. With several busy shards the first log is flushed on this thread and the others beside it, so a turn takes as long as
/// the slowest flush.
/// </remarks>
internal sealed class ShardExecutor : IAsyncDisposable
{
    private readonly object _gate = new();   // Waited on, so not a Lock.
    private readonly Func<DateTimeOffset> _now;
    private readonly DiskThreads _flushThreads;
    private readonly DiskThreads _jobThreads;
    private readonly Thread _thread;
    private readonly List<Member> _members = [];
    private readonly Queue<Member> _woken = new();
    private readonly List<Member> _turn = [];
    private readonly List<FlushTask> _flushes = [];
    private readonly CountdownEvent _flushed = new(1);
    private readonly ITimer _timer;
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _isResting;
    private bool _isStopped;

    /// <param name="number">Names the thread.</param>
    /// <param name="time">The time, and timers.</param>
    /// <param name="flushThreads">Run flushes beside this thread.</param>
    /// <param name="jobThreads">Run jobs, which may rest.</param>
    /// <param name="now">What timers go by; null for the wall clock.</param>
    internal ShardExecutor(int number, TimeProvider time, DiskThreads flushThreads, DiskThreads jobThreads, Func<DateTimeOffset>? now = null)
    {
        _now = now ?? time.GetUtcNow;
        (_flushThreads, _jobThreads) = (flushThreads, jobThreads);
        _timer = time.CreateTimer(static executor => ((ShardExecutor)executor!).WakeDue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _thread = new Thread(Run) { IsBackground = true, Name = "Tidemark shards " + number.ToString(CultureInfo.InvariantCulture) };
        _thread.Start();
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

    /// <summary>Drives a host no more, and leaves it open. Once that is so, or the executor ends, something is done on the executor's thread; it should be short.</summary>
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

    /// <summary>Closes all hosts on the executor's thread, and ends it.</summary>
    /// <exception cref="AggregateException">Hosts could not be closed cleanly. All were closed.</exception>
    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _isStopped = true;
            Monitor.Pulse(_gate);
        }

        return new ValueTask(_stopped.Task);
    }

    private void Wake(Member member)
    {
        if (Interlocked.Exchange(ref member.IsWoken, 1) == 1) return;
        lock (_gate)
        {
            _woken.Enqueue(member);
            if (!_isResting) return;
            _isResting = false;
            Monitor.Pulse(_gate);
        }
    }

    private void WakeDue()
    {
        Member[] members;
        lock (_gate) members = [.. _members];
        foreach (Member member in members) Wake(member);
    }

    private void Run()
    {
        while (TakeTurn())
        {
            ReleaseAll();
            DateTimeOffset now = _now();
            foreach (Member member in _turn) Guard(member.Host, host => host.Turn(now));
            Flush(now);
            now = _now();
            foreach (FlushTask flush in _flushes) Guard(flush.Host, host => host.EndFlush(now));
            _flushes.Clear();
            foreach (Member member in _turn)
            {
                if (member.Host.HasWork(now)) Wake(member);
                else member.NextDue = member.Host.NextDue;
            }

            _turn.Clear();
        }

        Close();
    }

    private void ReleaseAll()
    {
        for (int i = _turn.Count - 1; i >= 0; i--)
        {
            if (_turn[i] is not { Released: { } then } member) continue;
            _turn.RemoveAt(i);
            bool isDriven;
            lock (_gate) isDriven = _members.Remove(member);   // Else it was woken once more after it was released.
            if (!isDriven) continue;
            member.Host.Wake = null;
            then();
        }
    }

    /// <summary>What no rule of the host's foresaw ends that shard, not the process.</summary>
    private static void Guard(ShardHost host, Action<ShardHost> step)
    {
        try
        {
            step(host);
        }
        catch (Exception e)
        {
            host.Fail(e);
        }
    }

    /// <summary>Waits until a host has something to do; false at the end.</summary>
    private bool TakeTurn()
    {
        lock (_gate)
        {
            while (_woken.Count == 0)
            {
                if (_isStopped) return false;
                ArmTimer();
                _isResting = true;
                Monitor.Wait(_gate);
            }

            while (_woken.TryDequeue(out Member? member))
            {
                Volatile.Write(ref member.IsWoken, 0);   // Before the turn: what comes during it wakes the host again.
                _turn.Add(member);
            }

            return true;
        }
    }

    private void Flush(DateTimeOffset now)
    {
        foreach (Member member in _turn)
        {
            if (member.Host.BeginFlush(now)) _flushes.Add(new FlushTask(member.Host, _flushed));
        }

        if (_flushes.Count == 0) return;
        if (_flushes.Count > 1)
        {
            _flushed.Reset(_flushes.Count - 1);
            for (int i = 1; i < _flushes.Count; i++) _flushThreads.Enqueue(_flushes[i]);
        }

        _flushes[0].Host.Execute();
        if (_flushes.Count > 1) _flushed.Wait();
    }

    private void ArmTimer()
    {
        long due = long.MaxValue;
        foreach (Member member in _members) due = Math.Min(due, member.NextDue);
        if (due == long.MaxValue) return;
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
        _flushed.Dispose();
        if (failures.Count == 0) _stopped.SetResult();
        else _stopped.SetException(new AggregateException(failures));
    }

    private sealed class Member(ShardHost host)
    {
        internal int IsWoken;

        internal ShardHost Host => host;

        /// <summary>What is done once it is driven no more; null while it is driven.</summary>
        internal Action? Released { get; set; }

        /// <summary>When the host wants a turn if nothing else happens, in UTC ticks.</summary>
        internal long NextDue { get; set; } = long.MaxValue;
    }

    private sealed class FlushTask(ShardHost host, CountdownEvent done) : IDiskWork
    {
        internal ShardHost Host => host;

        public void Run()
        {
            host.Execute();
            done.Signal();
        }
    }

    private sealed class Job(Action work) : IDiskWork
    {
        public void Run() => work();
    }
}
