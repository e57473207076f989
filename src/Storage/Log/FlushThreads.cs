using System.Globalization;

namespace Tidemark.Storage.Log;

/// <summary>The threads that run rounds for all logs of a group: started when logs are dirty at the same time, one log on one thread at a time.</summary>
/// <remarks>Threads of our own, because a flush blocks: a slow disk must not take the thread pool with it.</remarks>
internal sealed class FlushThreads(int most)
{
    private readonly object _gate = new();   // Waited on, so not a Lock.
    private readonly Queue<IFlushable> _dirty = new();
    private readonly List<Thread> _threads = [];
    private int _resting;
    private bool _isStopped;

    /// <summary>Queues a log for a round. The log sees to it that it is queued once.</summary>
    internal void Enqueue(IFlushable log)
    {
        lock (_gate)
        {
            _dirty.Enqueue(log);
            if (_resting > 0)
            {
                _resting--;   // Counted off here, so that the next log wakes another thread and not this one again.
                Monitor.Pulse(_gate);
                return;
            }

            if (_threads.Count >= most) return;
            var thread = new Thread(Run) { IsBackground = true, Name = "Tidemark flush " + _threads.Count.ToString(CultureInfo.InvariantCulture) };
            _threads.Add(thread);
            thread.Start();
        }
    }

    /// <summary>Ends the threads once their queue is empty, and waits for them.</summary>
    internal void Stop()
    {
        lock (_gate)
        {
            _isStopped = true;
            Monitor.PulseAll(_gate);
        }

        foreach (Thread thread in _threads)
        {
            if (thread != Thread.CurrentThread) thread.Join();
        }
    }

    private void Run()
    {
        while (TryDequeue(out IFlushable? log)) log.RunRound();
    }

    private bool TryDequeue([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out IFlushable? log)
    {
        lock (_gate)
        {
            while (!_dirty.TryDequeue(out log))
            {
                if (_isStopped) return false;
                _resting++;
                Monitor.Wait(_gate);
            }

            return true;
        }
    }
}

/// <summary>What a flush thread runs.</summary>
internal interface IFlushable
{
    /// <summary>Does one round of disk work, and queues itself again where more is to do.</summary>
    void RunRound();
}
